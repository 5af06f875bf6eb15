"""All of Penstock as separate real processes, each of which a test can stop, kill and start again."""

from __future__ import annotations

import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from urllib.request import urlopen

import openai
from sqlalchemy import select

from cli.launch.listening import Listener, listen
from cli.launch.processes import DEMO_MODEL, WEB, WORKER
from jobs.job import Status
from jobs.settings import Settings
from jobs.storage.database import Database
from jobs.storage.schema import jobs
from jobs.storage.versions.migrate import upgrade
from jobs.storage.workers import WorkerRegistry
from jobs.transport.redis_client import redis_client
from tests.support.process import Process
from tests.support.redis_server import RedisServer
from tests.support.up import clean_environment

T = TypeVar("T")

# From a process's start until it answers, on a machine that has much else to do.
START_SECONDS = 60


def wait_for(look: Callable[[], T | None], seconds: float = 20) -> T:
    """The first true value that `look` gives; fails when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := look()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
    return value


class DemoModel:
    """The scripted model server."""

    def __init__(self, directory: Path) -> None:
        self._listener = listen("127.0.0.1", 0)
        argv = [*DEMO_MODEL, "--fd", str(self._listener.fd)]
        self.process = Process(argv, directory / "demo.log", clean_environment(), (self._listener.fd,))
        self.url = f"{self._listener.url}/v1"

    def stats(self, key: str) -> dict[str, int]:
        """What happened to the requests whose prompt is `key`."""
        return self.all_stats().get(key, {})

    def all_stats(self) -> dict[str, dict[str, int]]:
        """The same of every prompt."""
        with urlopen(f"{self._listener.url}/stats", timeout=10) as answer:
            prompts: dict[str, dict[str, int]] = json.load(answer)["prompts"]
        return prompts

    def wait(self, key: str, event: str, count: int = 1) -> float:
        """When `event` happened for the `count`th time, on the system's monotonic clock; waits for it."""
        query = f"key={quote(key)}&event={event}&count={count}&timeout=30"
        with urlopen(f"{self._listener.url}/stats/wait?{query}", timeout=40) as answer:
            return float(json.load(answer)["at"])

    def close(self) -> None:
        self.process.kill()
        self._listener.socket.close()


class Stack:
    """Redis, demo model, workers and web of one Penstock."""

    def __init__(self, directory: Path, program: str | None = None, **variables: str) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "redis").mkdir()
        self.redis_server = RedisServer(directory / "redis", program)
        self.redis_server.start()
        self.model = DemoModel(directory)
        self._variables = {
            "PENSTOCK_DATA": str(directory),
            "PENSTOCK_REDIS_URL": self.redis_server.url,
            "PENSTOCK_MODEL": "demo+rate=0+first=0",
            "PENSTOCK_DRAIN_SECONDS": "1",
            "OPENAI_BASE_URL": self.model.url,
            "OPENAI_API_KEY": "demo",
            **variables,
        }
        self.settings = Settings.load(
            data=directory,
            redis_url=self._variables["PENSTOCK_REDIS_URL"],
            database_url=variables.get("PENSTOCK_DATABASE_URL", ""),
            redis_ca=variables.get("PENSTOCK_REDIS_CA") or None,
        )
        upgrade(self.settings)
        self.database = Database(self.settings.database)
        self.redis = redis_client(self.settings.redis_url, self.settings.redis_ca)
        self.workers: list[Process] = []
        self.webs: list[Process] = []
        self._listeners: list[Listener] = []
        self._clients: list[openai.OpenAI] = []

    def start_worker(self, *arguments: str, **variables: str) -> Process:
        """One worker more; returns when it is known to the others."""
        worker = self.launch_worker(*arguments, **variables)
        self.await_worker(worker)
        return worker

    def launch_worker(self, *arguments: str, **variables: str) -> Process:
        """The same without waiting for it."""
        name = f"w{len(self.workers)}-{secrets.token_hex(3)}"
        environment = self._environment(PENSTOCK_WORKER_ID=name, **variables)
        worker = Process([*WORKER, *arguments], self.directory / f"{name}.log", environment)
        self.workers.append(worker)
        return worker

    def await_worker(self, worker: Process) -> None:
        """Wait until a worker is ready or has been killed; fails with the end of its log when it does not come up."""
        try:
            wait_for(lambda: b" ready." in worker.log.read_bytes() or not worker.is_running, START_SECONDS)
            assert worker.exit_code in (None, -signal.SIGKILL)
        except AssertionError as error:
            raise AssertionError(worker.exit_reason) from error

    def runner(self, job_id: str) -> Process:
        """The worker that runs a job, as soon as one does."""
        query = select(jobs.c.worker).where(jobs.c.id == job_id, jobs.c.status == Status.IN_PROGRESS)

        def look() -> Process | None:
            with self.database.read() as connection:
                name = connection.execute(query).scalar_one_or_none()
            return next((worker for worker in self.workers if worker.name == name), None)

        return wait_for(look)

    def lose(self, worker: Process) -> None:
        """Kill a worker and say so, as the process that started it does: nobody waits for its lease."""
        worker.kill()
        WorkerRegistry(self.database).declare_dead(worker.name)

    @contextmanager
    def frozen_redis(self) -> Iterator[None]:
        """Redis takes connections but answers nothing, for as long as this lasts."""
        os.kill(self.redis_server.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.redis_server.pid, signal.SIGCONT)

    def start_web(self) -> str:
        """One web process more; its address."""
        self._listeners.append(listen("127.0.0.1", 0))
        self.restart_web(len(self._listeners) - 1)
        return self.url

    def restart_web(self, number: int = 0) -> Process:
        """Start a web process on the socket that number `number` has or had."""
        listener = self._listeners[number]
        argv = [*WEB, f"fd://{listener.fd}"]
        web = Process(argv, self.directory / f"web{number}.log", self._environment(), (listener.fd,))
        self.webs.append(web)
        with urlopen(f"{listener.url}/healthz", timeout=START_SECONDS):
            return web

    @property
    def url(self) -> str:
        """The address of the newest web process."""
        return self._listeners[-1].url

    @property
    def urls(self) -> list[str]:
        """The addresses of all web processes."""
        return [listener.url for listener in self._listeners]

    def client(self, **options: Any) -> openai.OpenAI:
        """The official client, as a user makes it; closed with the rest, if it is not before."""
        given: dict[str, Any] = {"base_url": f"{self.url}/v1", "api_key": "any", "max_retries": 0, **options}
        client = openai.OpenAI(**given)
        self._clients.append(client)
        return client

    def _environment(self, **variables: str) -> dict[str, str]:
        return clean_environment(**{**self._variables, **variables})

    def close(self) -> None:
        """End everything."""
        for client in self._clients:
            client.close()
        for process in [*self.webs, *self.workers]:
            if process.is_running:
                process.send(signal.SIGCONT)
                process.kill()
        self.model.close()
        self.redis.close()
        self.redis_server.kill()
        self.redis_server.close()
        self.database.engine.dispose()
        for listener in self._listeners:
            listener.socket.close()


@contextmanager
def running_stack(directory: Path, *, workers: int = 1, **variables: str) -> Iterator[Stack]:
    """A running Penstock with one web process, ended with everything that belongs to it."""
    running = Stack(directory, **variables)
    try:
        begun = [running.launch_worker() for _ in range(workers)]  # they come up while the web process does
        running.start_web()
        for worker in begun:
            running.await_worker(worker)
        yield running
    finally:
        running.close()


class Viewer(threading.Thread):
    """Follows a job in the background with the official client, and keeps its events."""

    def __init__(self, client: openai.OpenAI, job_id: str, after: int | None = None) -> None:
        super().__init__(daemon=True)
        self.events: list[Any] = []
        self._error: openai.APIError | None = None
        self._client, self._job_id, self._after = client, job_id, after
        self.start()

    def run(self) -> None:
        after = openai.omit if self._after is None else self._after
        try:
            self.events.extend(self._client.responses.retrieve(self._job_id, stream=True, starting_after=after))
        except openai.APIError as error:
            self._error = error

    def seen(self, count: int) -> list[Any]:
        """Its events, as soon as there are `count` of them."""
        wait_for(lambda: len(self.events) >= count)
        return self.events

    def read(self, words: int) -> None:
        """Wait until so much of the model's text has come. On a busy machine that is fewer events, and longer ones."""
        wait_for(lambda: len("".join(getattr(event, "delta", "") for event in self.events).split()) >= words)

    def ended(self, seconds: float = 60) -> list[Any]:
        """All events, once the stream has ended."""
        self.join(seconds)
        assert not self.is_alive(), "the stream did not end"
        if self._error:
            raise self._error
        return self.events

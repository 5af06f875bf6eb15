"""A soak: many jobs and viewers while every process of a Penstock is killed again and again; then the account.

Nothing may be lost, doubled or left over. What the model says is known beforehand: it echoes the prompt.
"""

from __future__ import annotations

import itertools
import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil

from jobs.protocol import events
from jobs.storage.store import Store
from jobs.storage.workers import WorkerRegistry
from tests.support.process import Process
from tests.support.soak_jobs import PROMPT, PROMPT_NAME, SoakJob
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import blocks, fetch, request

WORKERS, WEBS, JOBS, VIEWERS = 3, 2, 30, 2
_PATIENCE_SECONDS = 120
# Twice what is promised for viewers that vanish; one flow of it all needs no more descriptors or threads.
_FREED_SECONDS = 2 * 20
_DESCRIPTORS, _THREADS = 100, 150


def patient(directory: Path, **more: str) -> AbstractContextManager[Stack]:
    """A Penstock that misses a dead worker soon, and gives no job up for what a soak does; `more` are settings."""
    prompts = directory / "prompts"
    prompts.mkdir(parents=True)
    (prompts / f"{PROMPT_NAME}.toml").write_text(PROMPT)
    variables = {"PENSTOCK_LEASE_SECONDS": "4", "PENSTOCK_MAX_ATTEMPTS": "1000", "PENSTOCK_PROMPTS": str(prompts)}
    return running_stack(directory, workers=WORKERS, **variables, **more)


class Soak:
    """Runs against a `patient` Stack. `seed` decides whom the kills hit and when viewers leave.

    So many `jobs` are under way at once, and each has so many `viewers`.
    """

    def __init__(self, stack: Stack, seed: int, *, jobs: int = JOBS, viewers: int = VIEWERS) -> None:
        self.stack, self.seed = stack, seed
        self._jobs_at_once, self._viewers = jobs, viewers
        self.jobs: list[SoakJob] = []
        self.counts: Counter[str] = Counter()
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._turn = threading.Lock()

    def run(self, seconds: float) -> None:
        """Keep the jobs going and kill for so long, then wait until all is well and every job has ended."""
        for _ in range(WEBS - len(self.stack.urls)):
            self.stack.start_web()
        with ThreadPoolExecutor(self._jobs_at_once) as clients, ThreadPoolExecutor() as killers:
            timer = threading.Timer(seconds, self._over.set)
            timer.start()
            running = [clients.submit(self._client, number) for number in range(self._jobs_at_once)]
            killing = [killers.submit(self._kill, number, *each) for number, each in enumerate(self.targets())]
            try:
                for done in (*killing, *running):
                    done.result(seconds + _PATIENCE_SECONDS)
            finally:
                self._over.set()
                timer.cancel()

    # -- who kills

    def targets(self) -> list[tuple[str, Callable[[random.Random], None], float, float]]:
        """What is killed, and the shortest and the longest pause between two deaths of its kind."""
        worker = ("worker", self.kill_worker, 1.0, 5.0)
        return [worker, worker, ("web", self.kill_web, 4.0, 9.0), ("redis", self._kill_redis, 5.0, 12.0)]

    def _kill(
        self, number: int, kind: str, strike: Callable[[random.Random], None], shortest: float, longest: float
    ) -> None:
        chance = random.Random(f"{self.seed} {number}")
        while not self._over.wait(chance.uniform(shortest, longest)):
            strike(chance)
            self.counts[f"{kind} killed"] += 1

    def kill_worker(self, chance: random.Random) -> None:
        """Any of them, also one that only just starts: whoever has started it does not wait for it any longer."""
        with self._turn:
            victim = chance.choice([worker for worker in self.stack.workers if worker.is_running])
            self.counts["workers killed before they were ready"] += b" ready." not in victim.log.read_bytes()
            victim.kill()
            started = self.stack.launch_worker()
        if chance.random() < 0.5:
            WorkerRegistry(self.stack.database).declare_dead(victim.name)
        self.stack.await_worker(started)

    def kill_web(self, chance: random.Random) -> None:
        """gunicorn's own process, whose child finds out by itself, or that child, which gunicorn replaces."""
        number = chance.randrange(WEBS)
        web = self._web(number)
        if chance.random() < 0.5:
            for child in psutil.Process(web.pid).children():
                child.kill()
        else:
            web.send(signal.SIGKILL)
            web.wait()
            with suppress(OSError, HTTPException):  # the orphan may take the question, and die over it
                self.stack.restart_web(number)

    def _web(self, number: int) -> Process:
        """The living web process on socket `number`."""
        mine = [web for web in self.stack.webs if web.name == f"web{number}" and web.is_running]
        return mine[-1]

    def _kill_redis(self, chance: random.Random) -> None:
        if chance.random() < 0.3:
            self.stack.redis.flushall()  # it will come back with nothing
            self.counts["redis emptied"] += 1
        self.stack.redis_server.kill()
        time.sleep(chance.uniform(0, 1))
        self.stack.redis_server.start()

    # -- who uses it

    def _client(self, slot: int) -> None:
        """One job after the other, each with its viewers."""
        chance = random.Random(f"{self.seed} client {slot}")
        with ThreadPoolExecutor(self._viewers) as viewers:
            while not self._over.is_set():
                soak_job = SoakJob.draw(next(self._numbers), chance)
                self._create(soak_job, chance)
                watching = [
                    viewers.submit(self._watch, soak_job, random.Random(chance.random())) for _ in range(self._viewers)
                ]
                soak_job.views = [view.result() for view in watching]
                self.jobs.append(soak_job)

    def _create(self, soak_job: SoakJob, chance: random.Random) -> None:
        """Ask until there is an answer; the key makes all of it one job."""
        body = json.dumps(soak_job.body).encode()
        key = {"Idempotency-Key": f"{self.seed} {soak_job.text.partition(' ')[0]}"}
        while not soak_job.id:
            url = chance.choice(self.stack.urls)
            try:
                status, job = fetch(url, "/v1/responses", method="POST", headers=key, body=body)
            except (OSError, HTTPException, json.JSONDecodeError):
                self.counts["requests cut"] += 1
                time.sleep(0.05)
                continue
            if status == HTTPStatus.SERVICE_UNAVAILABLE:  # a database under such a load may say so; a client asks again
                self.counts["answers to ask again"] += 1
                time.sleep(0.5)
                continue
            assert status == HTTPStatus.OK, job
            soak_job.id = job["id"]

    def _watch(self, soak_job: SoakJob, chance: random.Random) -> list[bytes]:
        """All frames that one viewer gets, who leaves at random and comes back at its cursor, until the end."""
        seen: list[bytes] = []
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (seen and events.is_terminal(seen[-1])):
            assert time.monotonic() < deadline, f"{soak_job.id} does not end"
            stays = chance.choice([chance.randint(1, 60), 1 << 30])
            cursor = f"&starting_after={events.number_of(seen[-1])}" if seen else ""
            path = f"/v1/responses/{soak_job.id}?stream=true{cursor}"
            try:
                with request(chance.choice(self.stack.urls), path) as answer:
                    for block in itertools.islice(blocks(answer), stays):
                        if not block.startswith(b":"):
                            seen.append(block)
                            soak_job.note(block, self.stack.model)
            except (OSError, HTTPException):
                time.sleep(0.05)
            self.counts["connections of viewers"] += 1
        return seen

    # -- the account

    def check(self) -> None:
        """All jobs are there, once, and each is whole; no worker has ended but those that were killed."""
        for worker in self.stack.workers:
            assert worker.exit_code in (None, -signal.SIGKILL), worker.exit_reason
        assert len(Store(self.stack.database).lists.page("local", limit=10**6)) == len(self.jobs)
        for soak_job in self.jobs:
            attempts, restarts = soak_job.check(self.stack.database, self.stack.model)
            self.counts["jobs"] += 1
            self.counts["reports among them"] += soak_job.is_report
            self.counts["attempts"] += attempts
            self.counts["viewers who saw a restart"] += restarts
            self.counts["frames seen"] += sum(map(len, soak_job.views))

    def check_leftovers(self) -> None:
        """Nothing is left of all that: no key for ever, no connection, process, thread or descriptor."""
        client: Any = self.stack.redis
        for_ever = [key for key in client.scan_iter("penstock:*") if client.ttl(key) == -1]
        assert [key for key in for_ever if not key.startswith(b"penstock:celery:")] == []
        wait_for(lambda: not client.pubsub_channels("penstock:{*"), _FREED_SECONDS)
        # A web process is two: gunicorn's own, and the one that serves.
        wait_for(lambda: len(_processes(self.stack.directory)) == WORKERS + 2 * WEBS, _FREED_SECONDS)
        for process in _processes(self.stack.directory):
            wait_for(partial(_is_alone, process), _FREED_SECONDS)
            assert process.num_fds() < _DESCRIPTORS
            assert process.num_threads() < _THREADS
        wait_for(lambda: len(WorkerRegistry(self.stack.database).rows()) == WORKERS, _FREED_SECONDS)


def _processes(data: Path) -> list[psutil.Process]:
    """All web and worker processes of the Penstock with this data directory, orphans too."""
    processes = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("PENSTOCK_DATA") == str(data):
                processes.append(process)
    return processes


def _is_alone(process: psutil.Process) -> bool:
    """Whether it has no connection to a viewer or to the model."""
    return all(each.status != psutil.CONN_ESTABLISHED for each in process.net_connections("tcp"))

"""What runs under `up`, and in which order it is started: Redis, database, demo model, workers, web."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import click

from cli.child import Child
from cli.data_directory import make
from cli.exit_codes import UNREACHABLE, Stop
from cli.listening import Door, listen
from cli.local_http import call
from cli.log_file import LogFile
from cli.processes import DEMO_MODEL, WEB, WORKER
from cli.redis_server import RedisServer, answers
from cli.supervisor import ChildFailed, Supervisor
from jobs.database import upgrade
from jobs.liveness import declare_dead
from jobs.model_server import resolve_model
from jobs.settings import Settings

_READY_SECONDS = 60.0


class House:
    """Everything that `up` runs. `settings` are those of the children once `start` is through.

    `resources` closes, at the end, what the children were given.
    """

    def __init__(self, settings: Settings, door: Door, supervisor: Supervisor, resources: ExitStack) -> None:
        self.settings = settings
        self._door = door
        self._supervisor = supervisor
        self._resources = resources
        make(settings.data / "logs")

    def start(self, workers: int) -> None:
        """Start it all and wait until it answers. Raises ChildFailed, Stop or BadSetting."""
        if not self.settings.demo:
            self._choose_model()
        if "redis_url" in self.settings.model_fields_set:
            self._expect_redis()
            upgrade(self.settings)
        else:
            self._start_redis()
        if self.settings.demo:
            self._start_demo_model()
            self._choose_model()
        self._start_workers_and_web(workers)

    def _choose_model(self) -> None:
        if not self.settings.model:
            self._change(model=resolve_model(self.settings))

    def _expect_redis(self) -> None:
        url = self.settings.redis_url
        if not answers(url):
            parts = urlsplit(url)  # never the whole: it may hold a password
            place = f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path
            raise Stop(f"no Redis answers at {place}: start it, or unset PENSTOCK_REDIS_URL", UNREACHABLE)

    def _start_redis(self) -> None:
        directory = self.settings.data / "redis"
        make(directory)
        server = RedisServer(directory)
        self._resources.callback(server.close)
        self._change(redis_url=server.url)
        if not server.is_durable:
            click.echo(
                "no Redis server found: using one in Python, which is slow and forgets all when it ends; "
                "install redis-server (apt install redis-server, brew install redis)",
                err=True,
            )
        child = self._child("redis", server.argv, fds=server.fds, grace=10)
        self._supervisor.start(child)
        upgrade(self.settings)  # while Redis loads its data
        try:
            self._supervisor.wait_until(lambda: answers(server.url), child, _READY_SECONDS)
        except ChildFailed:
            aside = server.set_data_aside() if child.last_words() else None
            if aside is None:
                raise
            click.echo(f"Redis cannot read its data: moved to {aside}; no job is lost", err=True)
            self._supervisor.forget(child)
            self._supervisor.start(child)
            self._supervisor.wait_until(lambda: answers(server.url), child, _READY_SECONDS)

    def _start_demo_model(self) -> None:
        door = self._resources.enter_context(listen("127.0.0.1", 0))
        self._change(openai_base_url=f"{door.url}/v1", openai_api_key="demo", model="", models=())
        child = self._child("demo", [*DEMO_MODEL, "--fd", str(door.fd)], fds=(door.fd,))
        self._supervisor.start(child)
        self._supervisor.wait_until(lambda: call(door, "/healthz")[0] == 200, child, _READY_SECONDS)

    def _start_workers_and_web(self, count: int) -> None:
        grace = self.settings.drain_seconds + 10
        names = [f"up-{number}" for number in range(1, count + 1)]
        workers = [self._child(name, [*WORKER], grace=grace, mourn=self._declare_dead) for name in names]
        # Viewers hold their connections open, and here no other web process takes them over: do not wait for them.
        argv = [*WEB, f"fd://{self._door.fd}", "--graceful-timeout", "2"]
        web = self._child("web", argv, fds=(self._door.fd,))
        self._supervisor.start(*workers)
        self._supervisor.start(web)
        # Two steps, so that whoever is late is the one whose log is shown.
        self._supervisor.wait_until(lambda: self._readiness() > 0, web, _READY_SECONDS)
        self._supervisor.wait_until(lambda: self._readiness() == 200, workers[0], _READY_SECONDS)

    def _readiness(self) -> int:
        return call(self._door, "/readyz")[0]

    def _declare_dead(self, worker_id: str) -> None:
        try:
            declare_dead(self.settings, worker_id)
        except Exception as error:  # noqa: BLE001 - whatever keeps the row from being written, its lease ends anyway
            click.echo(f"{worker_id} could not be declared dead: {error}", err=True)

    def _child(self, name: str, argv: list[str], **options: Any) -> Child:
        log = LogFile(self.settings.data / "logs" / f"{name}.log")
        return Child(name, argv, self._environment(), log, **options)

    def _change(self, **changes: object) -> None:
        self.settings = self.settings.model_copy(update=changes)

    def _environment(self) -> dict[str, str]:
        settings = self.settings
        return {
            "PENSTOCK_DATA": str(settings.data),
            "PENSTOCK_DATABASE_URL": settings.database,
            "PENSTOCK_REDIS_URL": settings.redis_url,
            "PENSTOCK_MODEL": settings.model,
            "PENSTOCK_MODELS": ",".join(settings.models),
            "PENSTOCK_DEMO": str(int(settings.demo)),
            "OPENAI_BASE_URL": settings.openai_base_url,
            "OPENAI_API_KEY": settings.openai_api_key,
        }

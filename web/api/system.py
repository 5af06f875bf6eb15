"""What works and what waits, for the system's page and, as JSON, for `penstock top`; of all owners at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import redis
from sqlalchemy.exc import SQLAlchemyError

from jobs.job import ListedJob, Status
from jobs.status.details import StatusDetails
from jobs.storage.statistics import Statistics, Worker
from jobs.transport.redis_client import redis_client
from web.context import WebContext

_DAY_SECONDS = 86400
_MODEL_SECONDS = 2.0
_REDIS_SECONDS = 1.0
_OWN_JOBS = 100
_SILENT_SECONDS = 10


class SystemState:
    """Asks the database, Redis and the model servers; none of them is waited for longer than a few seconds."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._statistics = Statistics(context.database)
        self._redis = redis_client(
            context.settings.redis_url,
            context.settings.redis_ca,
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
            retry=None,
        )

    def read(self, owner: str) -> dict[str, Any]:
        """How everything is, with the running jobs of this owner; what the database knows only if it answers."""
        context = self._context
        figures: dict[str, Any] = {}
        database_seconds = None
        with suppress(SQLAlchemyError):
            figures, database_seconds = _timed(lambda: self._figures(owner))
        page_viewers, live_pages = context.live_pages.viewers()
        return {
            **figures,
            "now": time.time(),
            "database": database_seconds,
            "redis": self._ping(),
            "servers": self._servers(),
            # Each live page is itself one viewer of the relay, for all who watch it.
            "viewers": page_viewers + context.relay.viewers() - live_pages,
            "lease": context.settings.lease_seconds,
        }

    def _figures(self, owner: str) -> dict[str, Any]:
        now = time.time()
        statistics = self._statistics
        own = self._context.store.lists.page(owner, limit=_OWN_JOBS, status=Status.IN_PROGRESS)
        return {
            "queues": statistics.queues(),
            "workers": statistics.workers(),
            "own": {job.id: job for job in own},
            "hour": statistics.minutes(now),
            "failures": [(StatusDetails(code), n) for code, n in statistics.failures(now - _DAY_SECONDS).items()],
            "no_worker": self._context.outlook.no_worker(),
            "speed": sum(_speed(progress, now - started_at) for started_at, progress in statistics.running()),
        }

    def _ping(self) -> float | None:
        """How long Redis takes to answer, in seconds; None if it does not."""
        try:
            return _timed(self._redis.ping)[1]
        except redis.RedisError:
            return None

    def _servers(self) -> Sequence[Mapping[str, Any]]:
        deadline = time.monotonic() + _MODEL_SECONDS
        return [
            {"name": server.name, "url": server.url, "answer": server.latest(max(0, deadline - time.monotonic()))}
            for server in self._context.model_servers
        ]


def system_object(state: Mapping[str, Any], *, operates: bool) -> dict[str, Any]:
    """What `read` returned, as JSON. Only who operates the system is told the workers' names and a server's fault."""
    document: dict[str, Any] = {
        "object": "system",
        "created_at": state["now"],
        "open_streams": state["viewers"],
        "health": [
            {"name": "database", "seconds": state["database"], "problem": None},
            {"name": "redis", "seconds": state["redis"], "problem": None},
            *(_server(server, operates=operates) for server in state["servers"]),
        ],
    }
    if state["database"] is None:
        return document
    now, own = state["now"], state["own"]
    return document | {
        "tokens_per_second": state["speed"],
        "status_details": state["no_worker"].to_wire() if state["no_worker"] else None,
        "queues": [
            {
                "name": queue.name,
                "waiting": queue.depth,
                "oldest_wait_seconds": max(0, now - queue.oldest_at) if queue.oldest_at else None,
                "running": queue.running,
                "paused": queue.paused_since is not None,
            }
            for queue in state["queues"]
        ],
        "workers": [
            {"name": worker.id if operates else str(number), **_worker(worker, own, now, state["lease"])}
            for number, worker in enumerate(state["workers"], 1)
        ],
        "jobs": [_running(job, now) for job in own.values()],
        "last_hour": {
            name: sum(getattr(minute, name) for minute in state["hour"])
            for name in ("accepted", "completed", "failed", "other", "tokens")
        },
        "failures": [{**details.to_wire(), "jobs": count} for details, count in state["failures"]],
    }


def _server(server: Mapping[str, Any], *, operates: bool) -> dict[str, Any]:
    answer = server["answer"]
    name = f"model server {server['name']}".strip()
    if not answer or answer.problem:
        return {"name": name, "seconds": None, "problem": answer.problem if answer and operates else None}
    return {"name": name, "seconds": answer.seconds, "problem": None}


def _worker(worker: Worker, own: Mapping[str, ListedJob], now: float, lease: float) -> dict[str, Any]:
    silent = max(0, now - worker.beaten_at) if worker.beaten_at else None
    return {
        "started_at": worker.started_at,
        "silent_seconds": silent,
        "frozen": silent is not None and silent >= lease,
        "running": len(worker.jobs),
        "own_jobs": [job_id for job_id in worker.jobs if job_id in own],
    }


def _running(job: ListedJob, now: float) -> dict[str, Any]:
    progress = job.noted_progress
    return {
        "id": job.id,
        "title": job.title or job.id,
        "model": job.model,
        "seconds": max(0, now - (job.started_at or now)),
        **{name: progress[name] for name in ("done", "total", "words")},
    }


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and its seconds."""
    started = time.perf_counter()
    return call(), time.perf_counter() - started


def _speed(progress: Mapping[str, Any], seconds: float) -> float:
    """About how many tokens a second a job that runs so long writes now: four for three of its words."""
    curve = progress["curve"]
    written = curve["characters"]
    slot = curve["slot_seconds"]
    if not written or seconds - len(written) * slot > _SILENT_SECONDS:
        return 0.0
    return float(sum(written[-2:]) / (len(written[-2:]) * slot) * progress["words"] / max(1, sum(written)) * 4 / 3)

"""`/system`: what works and what waits. Of all owners at once, so it names nobody's jobs but one's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import redis
from flask import flash, g, redirect, render_template, request, url_for
from sqlalchemy.exc import SQLAlchemyError

from jobs.errors import InvalidRequest
from jobs.job import Status
from jobs.status.details import StatusDetails
from jobs.storage.statistics import Statistics
from jobs.transport.redis_client import redis_client
from web.auth import is_operator
from web.context import WebContext
from web.errors import NoAccess
from web.pages.i18n import _
from web.pages.titles import title

_DAY_SECONDS = 86400
_MODEL_SECONDS = 2.0
_REDIS_SECONDS = 1.0
_OWN_JOBS = 100
_SILENT_SECONDS = 10


class SystemPage:
    """The handlers of `/system` and of its buttons."""

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

    def show(self) -> str:
        """How everything is; what the database knows only if it answers."""
        context = self._context
        figures: dict[str, Any] = {}
        database_seconds = None
        with suppress(SQLAlchemyError):
            figures, database_seconds = _timed(self._figures)
        page_viewers, live_pages = context.live_pages.viewers()
        return render_template(
            "system.html",
            **figures,
            database=database_seconds,
            redis=self._ping(),
            servers=self._servers(),
            # Each live page is itself one viewer of the relay, for all who watch it.
            viewers=page_viewers + context.relay.viewers() - live_pages,
            lease=context.settings.lease_seconds,
            operates=is_operator(context.settings, g.owner),
        )

    def switch(self) -> Any:
        """The buttons that pause a queue, and let it go on."""
        if not is_operator(self._context.settings, g.owner):
            raise NoAccess(403, "no_operator", "Only an owner named in PENSTOCK_OPERATORS pauses queues.")
        queue = request.form.get("queue", "")
        action = request.form.get("act")
        if action not in ("pause", "resume"):
            raise InvalidRequest("'act' must be pause or resume.", param="act")
        if action == "pause":
            self._statistics.pause(queue)
            flash(_("The queue {name} is paused: what runs goes on, nothing is begun.", name=queue))
        else:
            self._statistics.resume(queue)
            flash(_("The queue {name} goes on.", name=queue))
        return redirect(url_for("system.show"), 303)

    def _figures(self) -> dict[str, Any]:
        now = time.time()
        statistics = self._statistics
        own = self._context.store.lists.page(g.owner, limit=_OWN_JOBS, status=Status.IN_PROGRESS)
        return {
            "now": now,
            "queues": statistics.queues(),
            "workers": statistics.workers(),
            "own": {job.id: title(job) for job in own},
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

"""Why a job that has not ended waits, and when it may go on."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from jobs.job import ListedJob, Status
from jobs.protocol.progress import waiting
from jobs.settings import Settings
from jobs.status.details import StatusDetails
from jobs.storage.access.owner_limits import LimitRegistry
from jobs.storage.database import Database
from jobs.storage.queue.claims import RunningLimits
from jobs.storage.queue.counts import QueueCounts, read_counts
from jobs.storage.queue.places import MOST
from jobs.storage.statistics import QUEUES
from web.worker_health import WorkerHealth

_FRESH_SECONDS = 1.0
# For a job that was not there when it was looked last.
_FRESH_SECONDS_FOR_NEW = 0.1
# A job that is claimed at once has not waited for others.
_WAITED_SECONDS = 3.0
# A connection to Redis that is lost is made again at once, as a rule.
_NOTICED_SECONDS = 1.0
_ASKED_AGAIN = "asked_again"


class Outlook:
    """Looks at the queue at most once a second, for all who ask in this process."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        limits: LimitRegistry,
        workers: WorkerHealth,
        redis_away: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`redis_away` tells for how many seconds Redis has not been reached."""
        self._database = database
        self._settings = settings
        self._limits = limits
        self._workers = workers
        self._redis_away = redis_away
        self._known: tuple[float, QueueCounts, int] | None = None
        self._lock = threading.Lock()

    def of(self, job: ListedJob) -> StatusDetails:
        """The details of a job that has not ended. Raises SQLAlchemyError."""
        now = time.time()
        if job.held_at is not None:
            return StatusDetails("plan_waits")
        if job.is_stopping:
            return StatusDetails("stopping")
        if wait := waiting(job.progress, now).get("waiting"):
            return _asked_again(wait, now)
        if stopped := self.no_worker():
            return stopped
        if job.status is not Status.QUEUED:
            return self._unseen() or StatusDetails("in_progress")
        counts = self._counts_with(job)
        return self._held(job, counts) or _in_queue(job, counts, now)

    def place(self, job: ListedJob) -> dict[str, Any]:
        """How many jobs are claimed before a queued one, and for how long (s) the oldest of all waits.

        No number for a job that has just come. Raises SQLAlchemyError.
        """
        counts = self._counts_with(job)
        before = _before(job, counts)
        oldest = counts.oldest_at or job.created_at
        place = {"oldest_wait_seconds": max(0.0, round(time.time() - oldest, 1))}
        return place if before is None else {"queue_position": before, **place}

    def no_worker(self) -> StatusDetails | None:
        """Why nothing at all is written; None when a worker lives. Raises SQLAlchemyError."""
        counts, living = self._look()
        if living:
            return None
        if counts.beaten_at is None:
            return StatusDetails("no_worker")
        return StatusDetails("worker_frozen", {"silent_seconds": max(0, round(time.time() - counts.beaten_at))})

    def _unseen(self) -> StatusDetails | None:
        """Why nobody sees what is written; None when everybody does."""
        seconds = self._redis_away()
        return StatusDetails("redis_away", {"silent_seconds": round(seconds)}) if seconds >= _NOTICED_SECONDS else None

    def _held(self, job: ListedJob, counts: QueueCounts) -> StatusDetails | None:
        """What keeps a queued job from being begun, whoever is before it."""
        if job.tier in counts.paused:
            return StatusDetails("queue_paused", {"queue": QUEUES[job.tier]})
        mine = self._limits.of(job.owner).jobs_running
        if mine and counts.running_of(owner=job.owner) >= mine:
            return StatusDetails("owner_busy", {"n": mine})
        most = self._settings.limit_of(job.model)
        if most and counts.running_of(model=job.model) >= most:
            return StatusDetails("model_busy", {"model": job.model, "n": most})
        return None

    def _counts_with(self, job: ListedJob) -> QueueCounts:
        """The counts, in which a queued job has its place unless it came within the last moment."""
        counts, _living = self._look()
        if _before(job, counts) is None:
            counts, _living = self._look(_FRESH_SECONDS_FOR_NEW)
        return counts

    def _look(self, fresh_seconds: float = _FRESH_SECONDS) -> tuple[QueueCounts, int]:
        """The counts, and how many workers live, as they were at most so many seconds ago."""
        with self._lock:
            if self._known is None or time.monotonic() - self._known[0] >= fresh_seconds:
                counts = read_counts(self._database, time.time(), self._running_limits())
                self._known = (time.monotonic(), counts, self._workers.living())
            return self._known[1:]

    def _running_limits(self) -> RunningLimits:
        of_owner = (
            (lambda owner: self._limits.of(owner).jobs_running or None) if self._limits.limits_running() else None
        )
        return RunningLimits(self._settings.limit_of, of_owner)


def _before(job: ListedJob, counts: QueueCounts) -> int | None:
    """How many jobs are claimed before a queued one: all that have a place if it has none, None if it is new."""
    places = counts.places
    return places.before.get(job.id, None if places.are_all else len(places.before))


def _in_queue(job: ListedJob, counts: QueueCounts, now: float) -> StatusDetails:
    before = _before(job, counts)
    if before is None:
        return StatusDetails("in_queue")
    if job.id not in counts.places.before:
        return StatusDetails("in_long_queue", {"before": before})
    values: dict[str, Any] = {"place": before + 1}
    if counts.waiting < MOST:
        values["total"] = max(counts.waiting, before + 1)
    if counts.seconds_a_job is not None and now - job.created_at >= _WAITED_SECONDS:
        values["eta_seconds"] = math.ceil((before + 1) * counts.seconds_a_job)
    return StatusDetails("in_queue", values)


def _asked_again(wait: Mapping[str, Any], now: float) -> StatusDetails:
    """The wait before a model is asked again, as a worker told it at last."""
    values = {"wait_seconds": max(0, math.ceil(wait["until"] - now)), "try_number": wait["try"]}
    if tries := wait.get("tries"):
        values["tries"] = tries
    return StatusDetails(wait.get("code", _ASKED_AGAIN), values)

"""Rescue: gives the jobs of dead workers back, ends those of dead connections, expires old ones.

Every worker does it. Each step is one guarded UPDATE, so two at once do no harm and nobody has to lead.
"""

from __future__ import annotations

import logging
import time

from jobs.background import jittered, log_error, repeat
from jobs.storage.workers import LeaseMonitor
from worker.context import WorkerContext

# A monitor that looks less often than twice a lease starts its observation again each time.
_ROUNDS_PER_LEASE = 6
_LONGEST_INTERVAL_SECONDS = 1.0
# When all that were too old are gone; until then each round removes so many batches.
_EXPIRE_SECONDS = 60.0
_EXPIRE_BATCHES = 5
_EXPIRE_JOBS = 20
_EXPIRE_PAUSE_SECONDS = 0.05

_log = logging.getLogger(__name__)


class Rescue:
    """The rescuing thread of a worker process."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._expires_at = time.monotonic()
        self._worker_monitor = LeaseMonitor(context.worker_registry, context.settings.lease_seconds)
        self._waiter_monitor = LeaseMonitor(context.waiter_registry, context.settings.lease_seconds)
        # Of jobs that are removed and whose log is still to be deleted.
        self._removed: set[str] = set()
        # All that happens periodically; what one of them finds in its way holds up no other.
        self._duties = (
            *(self._requeue_orphans, self._end_unawaited, self._delete_logs, self._expire_old_jobs, self._expire_plans),
            *(context.store.keep_reserve, context.store.give_back_space, context.store.index_some),
        )

    def start(self) -> None:
        """Begin to rescue."""
        repeat("rescue", self._round)

    def _round(self) -> None:
        seconds = min(_LONGEST_INTERVAL_SECONDS, self._context.settings.lease_seconds / _ROUNDS_PER_LEASE)
        time.sleep(jittered(seconds))
        for duty in self._duties:
            try:
                duty()
            except Exception as error:  # noqa: BLE001  (the next round comes)
                log_error(f"rescue: {duty.__name__}", error)

    def _requeue_orphans(self) -> None:
        context = self._context
        for worker, counter in self._worker_monitor.dead(context.worker):
            if worker == context.worker:
                continue  # this process has slept; its heartbeat finds out
            if rescued := context.attempts.requeue_orphans(worker, counter):
                context.telemetry.metrics.rescues.inc(rescued)
                _log.warning("worker %s is dead: %d jobs go back to the queue", worker, rescued)
            context.worker_registry.forget(worker, counter)

    def _end_unawaited(self) -> None:
        """Cancel and forget for the connections whose web process died before it could."""
        registry = self._context.waiter_registry
        for waiter in self._waiter_monitor.dead(self._context.worker):
            if unwanted := registry.leave(*waiter):
                _log.warning("nobody waits for job %s any more", unwanted.job_id)
                if unwanted.is_removed:
                    self._removed.add(unwanted.job_id)
        self._removed.update(registry.forget_unstored())

    def _delete_logs(self) -> None:
        """Leave no text in Redis of what is removed, as soon as Redis answers."""
        for job_id in list(self._removed):
            self._context.log.delete(job_id)
            self._removed.remove(job_id)

    def _expire_plans(self) -> None:
        """Have some of the jobs ended on whose plan nobody agreed in time."""
        if days := self._context.settings.plan_days:
            self._context.plan_reviews.expire(time.time() - days * 86_400, _EXPIRE_JOBS)

    def _expire_old_jobs(self) -> None:
        """Remove some batches of the jobs that are too old, with pauses, so that others write in between."""
        days = self._context.settings.retention_days
        if not days or time.monotonic() < self._expires_at:
            return
        before = time.time() - days * 86_400
        for _ in range(_EXPIRE_BATCHES):
            if self._context.store.expire(before, _EXPIRE_JOBS) < _EXPIRE_JOBS:
                self._expires_at = time.monotonic() + _EXPIRE_SECONDS
                return
            time.sleep(_EXPIRE_PAUSE_SECONDS)

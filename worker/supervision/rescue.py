"""Rescue: gives the jobs of dead workers back, ends those of dead connections, expires old ones.

Every worker does it. Each step is one guarded UPDATE, so two at once do no harm and nobody has to lead.
"""

from __future__ import annotations

import logging
import random
import time

from jobs.background import repeat
from jobs.storage.workers import LeaseMonitor
from worker.context import WorkerContext

_INTERVAL_SECONDS = 1.0
_EXPIRE_SECONDS = 60.0

_log = logging.getLogger(__name__)


class Rescue:
    """The rescuing thread of a worker process."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._expired_at = -_EXPIRE_SECONDS
        self._lease_monitor = LeaseMonitor(context.worker_registry, context.settings.lease_seconds)
        self._waiter_monitor = LeaseMonitor(context.waiter_registry, context.settings.lease_seconds)

    def start(self) -> None:
        """Begin to rescue."""
        repeat("rescue", self._round)

    def _round(self) -> None:
        time.sleep(_INTERVAL_SECONDS * random.uniform(0.7, 1.3))
        self._requeue_orphans()
        self._end_unawaited()
        self._expire_old_jobs()

    def _requeue_orphans(self) -> None:
        context = self._context
        for worker, counter in self._lease_monitor.dead(context.worker):
            if worker == context.worker:
                continue  # this process has slept; its heartbeat finds out
            if rescued := context.attempts.requeue_orphans(worker, counter):
                _log.warning("worker %s is dead: %d jobs go back to the queue", worker, rescued)
            context.worker_registry.forget(worker, counter)

    def _end_unawaited(self) -> None:
        """Cancel and forget for the connections whose web process died before it could."""
        registry, log = self._context.waiter_registry, self._context.log
        for waiter in self._waiter_monitor.dead(self._context.worker):
            if unwanted := registry.leave(*waiter):
                _log.warning("nobody waits for job %s any more", unwanted.job_id)
                if unwanted.is_removed:
                    log.delete(unwanted.job_id)
        for job_id in registry.forget_unstored():
            log.delete(job_id)

    def _expire_old_jobs(self) -> None:
        kept, now = self._context.settings.retention_days, time.monotonic()
        if kept and now - self._expired_at >= _EXPIRE_SECONDS:
            self._expired_at = now
            self._context.store.expire(time.time() - kept * 86_400)

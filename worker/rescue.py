"""Rescue: gives the jobs of dead workers back to the queue, and sends wake-ups that got lost.

Every worker does it. Each step is one guarded UPDATE, so two at once do no harm and nobody has to lead.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from kombu.exceptions import OperationalError
from sqlalchemy.exc import SQLAlchemyError

from jobs.attempts import Attempts
from jobs.liveness import Liveness, Observer
from jobs.store import Store

_INTERVAL_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Rescue:
    """The rescuing thread of a worker process."""

    def __init__(
        self,
        worker: str,
        *,
        observer: Observer,
        liveness: Liveness,
        attempts: Attempts,
        store: Store,
        wake: Callable[[str], None],
    ) -> None:
        self._worker, self._observer, self._liveness = worker, observer, liveness
        self._attempts, self._store, self._wake = attempts, store, wake

    def start(self) -> None:
        """Begin to rescue."""
        threading.Thread(target=self._run, name="rescue", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(_INTERVAL_SECONDS * random.uniform(0.7, 1.3))  # noqa: S311  (no secret)
            try:
                self.step()
            except (SQLAlchemyError, OperationalError, OSError) as error:
                _log.warning("rescue has to wait: %s", type(error).__name__)

    def step(self) -> None:
        """One round. Raises SQLAlchemyError, or kombu's OperationalError when Redis takes no message."""
        for worker in self._observer.dead():
            if worker == self._worker:
                continue  # this process has slept; its pulse finds out
            if rescued := self._attempts.requeue_orphans(worker):
                _log.warning("worker %s is dead: %d jobs go back to the queue", worker, rescued)
            self._liveness.forget(worker)
        due = self._store.due(time.time())
        sent: list[str] = []
        try:
            for job_id in due:
                self._wake(job_id)
                sent.append(job_id)
        finally:
            if sent:
                self._store.sent(sent, time.time())

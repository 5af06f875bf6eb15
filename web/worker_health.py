"""Which workers live, as this process has seen it: one that is there and gives no sign of life does not count."""

from __future__ import annotations

import time

from sqlalchemy.exc import SQLAlchemyError

from jobs.background import Repetition, repeat
from jobs.storage.database import Database
from jobs.storage.workers import DeadWorker, LeaseMonitor, WorkerRegistry

# In a lease; the monitor starts anew when half a lease passes between two.
_LOOKS = 5


class WorkerHealth:
    """Looks at the workers' counters all the time: one look alone cannot tell who stands still."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._registry = WorkerRegistry(database)
        self._monitor = LeaseMonitor(self._registry, lease_seconds)
        self._pause = lease_seconds / _LOOKS
        self._dead: frozenset[DeadWorker] = frozenset()

    def start(self) -> Repetition:
        """Begin to look."""
        return repeat("worker health", self._look)

    def living(self) -> int:
        """How many workers live. Raises SQLAlchemyError."""
        rows = self._registry.rows()
        living = [DeadWorker(name, counter) for name, counter, dead in rows if counter >= 0 and not dead]
        return sum(worker not in self._dead for worker in living)

    def _look(self) -> None:
        time.sleep(self._pause)
        try:
            self._dead = frozenset(self._monitor.dead(own=""))
        except SQLAlchemyError:  # who asks meanwhile is told so
            self._dead = frozenset()

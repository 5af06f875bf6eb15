"""Signs of life: a worker raises the counter of its row, everyone else watches whether it stands still.

No wall clock is judged by: an observer measures with its own monotonic clock how long a counter has not moved.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from jobs.job import Status
from jobs.settings import Settings
from jobs.storage.database import Database
from jobs.storage.schema import jobs, workers


class WorkerRegistry:
    """The workers' rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, worker: str) -> None:
        """Open the row of a worker that begins its life."""
        now = time.time()
        row = {"id": worker, "counter": 0, "dead": 0, "started_at": now, "beaten_at": now}
        with self._database.write() as connection:
            connection.execute(delete(workers).where(workers.c.id == worker))
            connection.execute(insert(workers).values(row))

    def beat(self, worker: str) -> bool:
        """Give a sign of life; false when this worker has been declared dead."""
        alive = update(workers).where(workers.c.id == worker, workers.c.dead == 0)
        with self._database.write() as connection:
            return connection.execute(alive.values(counter=workers.c.counter + 1, beaten_at=time.time())).rowcount > 0

    def declare_dead(self, worker: str) -> None:
        """Say for sure that a worker is gone: its jobs need not wait for the lease to run out."""
        with self._database.write() as connection:
            connection.execute(update(workers).where(workers.c.id == worker).values(dead=1))

    def forget(self, worker: str) -> None:
        """Remove the row of a worker that has no jobs left."""
        with self._database.write() as connection:
            connection.execute(delete(workers).where(workers.c.id == worker))

    def rows(self) -> Sequence[tuple[str, int, bool]]:
        """(id, counter, declared dead) of every worker known, and of those that left jobs but no row."""
        vanished = (
            select(jobs.c.worker)
            .where(jobs.c.status == Status.IN_PROGRESS, jobs.c.worker.not_in(select(workers.c.id)))
            .distinct()
        )
        with self._database.read() as connection:
            found = connection.execute(select(workers.c.id, workers.c.counter, workers.c.dead)).all()
            left = connection.execute(vanished).scalars().all()
        return [*((row.id, row.counter, bool(row.dead)) for row in found), *((name, -1, False) for name in left)]


class LeaseMonitor:
    """One process's view of who is alive. Every observation is its own, so no agreement is needed."""

    def __init__(self, liveness: WorkerRegistry, lease_seconds: float) -> None:
        self._liveness = liveness
        self._lease = lease_seconds
        self._seen: dict[str, tuple[int, float]] = {}

    def dead(self, own: str) -> list[str]:
        """Workers declared dead, or whose counter has stood still for a lease.

        When the database cannot be read, or the observer's `own` counter stands still because it cannot be written,
        the observation starts again, so that its absence kills nobody; an error is raised.
        """
        try:
            rows = self._liveness.rows()
        except SQLAlchemyError:
            self._seen.clear()
            raise
        now = time.monotonic()
        known = {worker: self._seen.get(worker, (counter, now)) for worker, counter, _ in rows}
        self._seen = {
            worker: known[worker] if known[worker][0] == counter else (counter, now) for worker, counter, _ in rows
        }
        if own in self._seen and now - self._seen[own][1] > self._lease / 2:
            self._seen.clear()
            return []
        return [worker for worker, _, dead in rows if dead or now - self._seen[worker][1] >= self._lease]


def declare_dead(settings: Settings, worker: str) -> None:
    """Declare a worker dead, for the process that saw it die."""
    database = Database(settings.database)
    try:
        WorkerRegistry(database).declare_dead(worker)
    finally:
        database.engine.dispose()

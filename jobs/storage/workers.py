"""Signs of life: a worker raises the counter of its row, everyone else watches whether it stands still.

No wall clock is judged by: an observer measures with its own monotonic clock how long a counter has not moved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from jobs.settings import Settings
from jobs.storage.database import Database
from jobs.storage.schema import IS_RUNNING, jobs, workers


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

    def forget(self, worker: str, counter: int | None = None) -> None:
        """Remove the row of a worker that has no jobs left; with a `counter` only if it has not moved since."""
        gone = delete(workers).where(workers.c.id == worker)
        if counter is not None:
            gone = gone.where(workers.c.counter == counter)
        with self._database.write() as connection:
            connection.execute(gone)

    def rows(self) -> Sequence[tuple[str, int, bool]]:
        """(id, counter, declared dead) of every worker known, and of those that left jobs but no row."""
        vanished = select(jobs.c.worker).where(IS_RUNNING, jobs.c.worker.not_in(select(workers.c.id))).distinct()
        with self._database.read() as connection:
            known = connection.execute(select(workers.c.id, workers.c.counter, workers.c.dead)).all()
            missing = connection.execute(vanished).scalars().all()
        return [*((row.id, row.counter, bool(row.dead)) for row in known), *((name, -1, False) for name in missing)]


class Counters(Protocol):
    """Where counters are read: (id, counter, declared dead) of everybody who gives signs of life."""

    def rows(self) -> Sequence[tuple[str, int, bool]]:
        """Read them all. Raises SQLAlchemyError."""


class DeadWorker(NamedTuple):
    """A worker judged dead at this `counter`: if the counter has moved by the time that somebody acts, it lives."""

    id: str
    counter: int


class LeaseMonitor:
    """One process's view of who is alive. Every observation is its own, so no agreement is needed."""

    def __init__(self, counters: Counters, lease_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._counters = counters
        self._lease = lease_seconds
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}
        self._observed_at = clock()

    def dead(self, own: str) -> list[DeadWorker]:
        """Who was declared dead, or whose counter has stood still for a lease.

        The observation starts again, so that nobody is killed by it, when the database could not be read (the error
        is raised), when a read or the time since the last one took half a lease, because the database or this process
        stood still meanwhile and perhaps everybody with it, and when the observer's `own` counter cannot be written.
        """
        began = self._clock()
        try:
            rows = self._counters.rows()
        except SQLAlchemyError:
            self._seen.clear()
            raise
        now = self._clock()
        if max(began - self._observed_at, now - began) > self._lease / 2:
            self._seen.clear()
        self._observed_at = now
        before = self._seen
        self._seen = {
            name: before[name] if before.get(name, (None,))[0] == counter else (counter, now)
            for name, counter, _ in rows
        }
        if own in self._seen and now - self._seen[own][1] > self._lease / 2:
            self._seen.clear()
        return [
            DeadWorker(name, counter)
            for name, counter, dead in rows
            if dead or now - self._seen.get(name, (counter, now))[1] >= self._lease
        ]


def declare_dead(settings: Settings, worker: str) -> None:
    """Declare a worker dead, for the process that saw it die."""
    database = Database(settings.database)
    try:
        WorkerRegistry(database).declare_dead(worker)
    finally:
        database.engine.dispose()

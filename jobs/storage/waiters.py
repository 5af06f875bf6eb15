"""Who waits for a job: one row for each open connection of a create without `background`.

A waiter's row has a counter like a worker's. When the last waiter has left, or died, nobody wants the job any more: it
is cancelled if it runs, and removed if it was not to be stored. So that happens even if the web process is gone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, select, true, update

from jobs.storage.database import Database
from jobs.storage.ending import end_unstarted
from jobs.storage.rows import job_of, select_jobs
from jobs.storage.schema import jobs, waiters, workers
from jobs.storage.search.entries import delete_jobs


class Unwanted(NamedTuple):
    """A job that nobody waits for any more: whether it runs and was asked to end, whether its row has been removed."""

    job_id: str
    is_running: bool
    is_removed: bool


def new_waiter_id() -> str:
    """An id for one connection."""
    return f"wait_{secrets.token_hex(16)}"


def add_waiter(connection: Connection, waiter: str, job_id: str) -> bool:
    """Note inside the caller's transaction that `waiter` waits for a job.

    False when the job is gone or is being cancelled. Locks the row: who leaves at the same moment has left before, and
    that shows here, or sees this one.
    """
    wanted = and_(jobs.c.id == job_id, jobs.c.cancel_requested_at.is_(None))
    if not connection.execute(update(jobs).where(wanted).values(id=jobs.c.id)).rowcount:
        return False
    connection.execute(delete(waiters).where(waiters.c.id == waiter))  # left by a commit whose answer was lost
    connection.execute(insert(waiters).values(id=waiter, job_id=job_id, counter=0))
    return True


class WaiterRegistry:
    """The waiters' rows, for LeaseMonitor as well."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def renew(self, waiter_ids: Collection[str]) -> None:
        """Give a sign of life for each of these waiters; at least a few times in each lease."""
        if waiter_ids:
            alive = update(waiters).where(waiters.c.id.in_(waiter_ids)).values(counter=waiters.c.counter + 1)
            with self._database.write() as connection:
                connection.execute(alive)

    def rows(self) -> Sequence[tuple[str, int, bool]]:
        """(id, counter, False) of every waiter, and of every worker.

        With its own row among them an observer notices when the counters stand still because nobody can write.
        """
        counters = select(waiters.c.id, waiters.c.counter).union_all(select(workers.c.id, workers.c.counter))
        with self._database.read() as connection:
            return [(waiter, counter, False) for waiter, counter in connection.execute(counters)]

    def leave(self, waiter: str, counter: int | None = None) -> Unwanted | None:
        """A waiter has its answer, or is gone; `counter` is the one that a dead waiter was judged by.

        Returns the job if nobody waits for it any more; None if others do, or there is no such waiter.
        """
        seen = true() if counter is None else waiters.c.counter == counter
        gone = delete(waiters).where(waiters.c.id == waiter, seen).returning(waiters.c.job_id)
        with self._database.write() as connection:
            job_id = connection.execute(gone).scalar_one_or_none()
            return None if job_id is None else _end_unwanted(connection, job_id)

    def forget_unstored(self) -> list[str]:
        """Remove the ended jobs that were not to be stored and that nobody waits for. Returns their ids."""
        unstored = and_(jobs.c.stored == 0, jobs.c.ended_at.is_not(None), _unawaited())
        with self._database.read() as connection:
            ids = connection.execute(select(jobs.c.id).where(unstored)).scalars().all()
        if not ids:
            return []
        with self._database.write() as connection:
            return delete_jobs(connection, jobs.c.id.in_(ids), unstored)


def _unawaited() -> ColumnElement[bool]:
    return ~exists().where(waiters.c.job_id == jobs.c.id)


def _end_unwanted(connection: Connection, job_id: str) -> Unwanted | None:
    """Cancel a job if nobody waits for it any more, and remove it if it was not to be stored.

    Locks the row first, so that of two waiters who leave at once the second finds nobody.
    """
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(id=jobs.c.id))
    row = connection.execute(select_jobs().where(jobs.c.id == job_id, _unawaited())).mappings().one_or_none()
    if row is None:
        return None
    job = job_of(row)
    ended = job.status.is_terminal or end_unstarted(connection, job)
    if not ended:
        running = and_(jobs.c.id == job_id, jobs.c.cancel_requested_at.is_(None))
        connection.execute(update(jobs).where(running).values(cancel_requested_at=time.time()))
    elif not job.request.store:
        delete_jobs(connection, jobs.c.id == job_id)
    return Unwanted(job_id, is_running=not ended, is_removed=ended and not job.request.store)

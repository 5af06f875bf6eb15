"""Which queued job a worker claims next, and the claim itself.

A claim takes a row, and no lock that another job's claim needs: PostgreSQL skips rows that others are claiming, SQLite
has one writer at a time. Only jobs of a model that runs so many at once wait for each other.
"""

from __future__ import annotations

import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select, text, update
from sqlalchemy.exc import DBAPIError

from jobs.job import Status
from jobs.storage.queue.lines import Line, all_lines, select_line
from jobs.storage.schema import IS_QUEUED, IS_RUNNING, IS_TO_END, jobs, paused, workers

# Numbers are reserved this many at a time: one small write per couple of minutes of a fast stream.
BLOCK = 10_000
# A run of a section opens at most two items; more would leave holes that some clients do not survive.
INDEX_BLOCK = 2

# The first half of the name of PostgreSQL's lock for a model's claims; the second half is the model's.
_CLAIM_LOCK = 0x70656E73
_LOCK_TIMEOUT = "2s"
_LOCK_NOT_AVAILABLE = "55P03"

Limits = Callable[[str], int | None]


class RunningLimits(NamedTuple):
    """How many jobs of a model, and of an owner, may run at once over all workers; None for any number.

    Without `of_owner` no owner has a limit, and none is looked at. `closed_tiers` are left to other workers.
    """

    of_model: Limits
    of_owner: Limits | None = None
    closed_tiers: frozenset[int] = frozenset()


def claim_next(connection: Connection, worker: str, limits: RunningLimits, *, only_to_end: bool = False) -> str | None:
    """Claim the queued job whose turn it is, inside the caller's transaction; its id, None when there is none.

    Jobs that are only to be ended come before the line: whatever their tier, also while it is paused, and whatever
    their model's and their owner's limit. `only_to_end` claims no others.
    """
    job_id = _first(connection, select_to_end())
    if job_id is None and not only_to_end:
        job_id = _next_in_line(connection, limits)
    if job_id is None or not claim_row(connection, job_id, worker):
        return None
    return job_id


def claim_row(connection: Connection, job_id: str, worker: str) -> bool:
    """Make a queued job the next attempt of a worker, inside the caller's transaction; false when it is not queued.

    The claim raises the worker's counter as well: a verdict from before the claim does not reach the job. A worker
    that has been declared dead claims nothing.
    """
    if not _may_claim(connection, worker):
        return False
    values = {
        "status": Status.IN_PROGRESS,
        "attempt": jobs.c.attempt + 1,
        "worker": worker,
        "started_at": func.coalesce(jobs.c.started_at, time.time()),
        "seq_mark": jobs.c.seq_mark + BLOCK,
        "index_mark": jobs.c.index_mark + INDEX_BLOCK,
    }
    queued = and_(jobs.c.id == job_id, jobs.c.status == Status.QUEUED)
    if not connection.execute(update(jobs).where(queued).values(values)).rowcount:
        return False
    connection.execute(update(workers).where(workers.c.id == worker).values(counter=workers.c.counter + 1))
    return True


def lock_of(name: str) -> tuple[int, int]:
    """The name of PostgreSQL's lock for the claims of a model's or an owner's jobs."""
    return _CLAIM_LOCK, zlib.crc32(name.encode()) - 2**31


def _may_claim(connection: Connection, worker: str) -> bool:
    dead = select(workers.c.id).where(workers.c.id == worker, workers.c.dead == 1)
    return connection.execute(dead).first() is None


def select_queued() -> Select[Any]:
    """SELECT of the workers of all that are queued, the oldest first, from the index `jobs_queued`."""
    # Not of the ids: SQLite would rather read through the index that has them and the status of every job.
    return select(jobs.c.worker).where(IS_QUEUED).order_by(jobs.c.created_at)


def select_to_end() -> Select[Any]:
    """SELECT of the queued jobs that ran before and that somebody asked to end."""
    return select(jobs.c.id).where(IS_TO_END).order_by(jobs.c.created_at)


def select_running() -> Select[Any]:
    """SELECT of owner, model, and how many such jobs run."""
    return select(jobs.c.owner, jobs.c.model, func.count()).where(IS_RUNNING).group_by(jobs.c.owner, jobs.c.model)


def _first(connection: Connection, candidates: Select[Any]) -> str | None:
    # SQLite knows no FOR UPDATE, and leaves it out.
    locked = candidates.limit(1).with_for_update(of=jobs, skip_locked=True)
    return connection.execute(locked).scalar_one_or_none()


def _next_in_line(connection: Connection, limits: RunningLimits) -> str | None:
    """The job whose turn it is among the open tiers and the models and owners with room.

    In order: the tier, then the owner's with the fewest running, and of these the oldest. So one owner's thousand jobs
    keep nobody else waiting.
    """
    running = Running(connection, limits)
    for line in sorted(all_lines(connection), key=running.turn_of):
        if running.holds(line):
            continue
        job_id = _first(connection, select_line(line))
        if job_id is not None and running.has_room(line):
            return job_id
    return None


class Running:
    """How many jobs run, and of whom as many as may: it decides whose turn it is."""

    def __init__(self, connection: Connection, limits: RunningLimits) -> None:
        self._connection = connection
        self._closed_tiers = limits.closed_tiers.union(connection.execute(select(paused.c.tier)).scalars())
        self._limits = limits
        self.owners, models = Counter[str](), Counter[str]()
        for owner, model, count in connection.execute(select_running()):
            self.owners[owner] += count
            models[model] += count
        self._full_models = _at_limit(models, limits.of_model)
        self._full_owners = _at_limit(self.owners, limits.of_owner) if limits.of_owner else set()

    def turn_of(self, line: Line) -> tuple[int, int, float]:
        """By what the lines are served, the least first."""
        return line.tier, self.owners[line.owner], line.oldest_at

    def holds(self, line: Line) -> bool:
        """Whether no job of the line is begun: its tier is paused, or as many of its model or its owner run as may."""
        is_full = line.model in self._full_models or line.owner in self._full_owners
        return is_full or line.tier in self._closed_tiers

    def has_room(self, line: Line) -> bool:
        """The same the other way round, counted while no other claim of them can be committed."""
        if not _has_room(self._connection, jobs.c.model, line.model, self._limits.of_model(line.model)):
            self._full_models.add(line.model)
            return False
        limit = self._limits.of_owner(line.owner) if self._limits.of_owner else None
        if not _has_room(self._connection, jobs.c.owner, line.owner, limit):
            self._full_owners.add(line.owner)
            return False
        return True


def _at_limit(running: Counter[str], limit_of: Limits) -> set[str]:
    return {name for name, count in running.items() if count >= (limit_of(name) or count + 1)}


def _has_room(connection: Connection, column: ColumnElement[str], name: str, limit: int | None) -> bool:
    """Whether fewer jobs of a model or an owner run than may, counted while no other claim of it can be committed."""
    if limit is None or connection.dialect.name == "sqlite":
        return True  # counted in this very transaction, and SQLite has one writer
    try:
        with connection.begin_nested():
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            connection.execute(select(func.pg_advisory_xact_lock(*lock_of(name))))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        return False  # whoever has it hangs; the database ends that session within seconds
    running = select(func.count()).where(IS_RUNNING, column == name)
    return connection.execute(running).scalar_one() < limit

"""Which queued job a worker claims next, and the claim itself.

A claim takes a row, and no lock that another job's claim needs: PostgreSQL skips rows that others are claiming, SQLite
has one writer at a time. Only jobs of a model that runs so many at once wait for each other.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, text, update
from sqlalchemy.exc import DBAPIError

from jobs.job import Status
from jobs.storage.schema import jobs, paused, workers

# Numbers are reserved this many at a time: one small write per couple of minutes of a fast stream.
BLOCK = 10_000
# A run of a section opens at most two items; more would leave holes that some clients do not survive.
INDEX_BLOCK = 2

# The first half of the name of PostgreSQL's lock for a model's claims; the second half is the model's.
_CLAIM_LOCK = 0x70656E73
_LOCK_TIMEOUT = "2s"
_LOCK_NOT_AVAILABLE = "55P03"

Limits = Callable[[str], int | None]

# As in the index `jobs_to_end`.
_TO_END = or_(jobs.c.cancel_requested_at.is_not(None), jobs.c.stop_requested_at.is_not(None))


def claim_next(connection: Connection, worker: str, limit_of: Limits, *, only_to_end: bool = False) -> str | None:
    """Claim the queued job whose turn it is, inside the caller's transaction; its id, None when there is none.

    Jobs that are only to be ended come before the line: whatever their tier, also while it is paused, and whatever
    their model's limit. `only_to_end` claims no others.
    """
    candidate = _first(connection, _to_end())
    full = set() if only_to_end or candidate else _full_models(connection, limit_of)
    while candidate is None and not only_to_end:
        candidate = _first(connection, _in_line(full))
        if candidate is None:
            return None
        if not _has_room(connection, candidate.model, limit_of):
            full.add(candidate.model)
            candidate = None
    if candidate is None or not claim_row(connection, candidate.id, worker):
        return None
    return str(candidate.id)


def claim_row(connection: Connection, job_id: str, worker: str) -> bool:
    """Make a queued job the next attempt of a worker, inside the caller's transaction; false when it is not queued.

    The claim raises the worker's counter as well: a verdict from before the claim does not reach the job. A worker
    that has been declared dead claims nothing.
    """
    if not _may_claim(connection, worker):
        return False
    now = time.time()
    values = {
        "status": Status.IN_PROGRESS,
        "attempt": jobs.c.attempt + 1,
        "worker": worker,
        "claimed_at": now,
        "started_at": func.coalesce(jobs.c.started_at, now),
        "seq_mark": jobs.c.seq_mark + BLOCK,
        "index_mark": jobs.c.index_mark + INDEX_BLOCK,
    }
    queued = and_(jobs.c.id == job_id, jobs.c.status == Status.QUEUED)
    if not connection.execute(update(jobs).where(queued).values(values)).rowcount:
        return False
    connection.execute(update(workers).where(workers.c.id == worker).values(counter=workers.c.counter + 1))
    return True


def lock_of(model: str) -> tuple[int, int]:
    """The name of PostgreSQL's lock for the claims of a model's jobs."""
    return _CLAIM_LOCK, zlib.crc32(model.encode()) - 2**31


def _may_claim(connection: Connection, worker: str) -> bool:
    dead = select(workers.c.id).where(workers.c.id == worker, workers.c.dead == 1)
    return connection.execute(dead).first() is None


def _first(connection: Connection, candidates: Select[Any]) -> Row[Any] | None:
    # SQLite knows no FOR UPDATE, and leaves it out.
    locked = candidates.limit(1).with_for_update(of=jobs, skip_locked=True)
    return connection.execute(locked).one_or_none()


def _to_end() -> Select[Any]:
    return select(jobs.c.id, jobs.c.model).where(jobs.c.status == Status.QUEUED, _TO_END)


def _in_line(full: Collection[str]) -> Select[Any]:
    """The queued jobs of tiers that are not paused and of models with room.

    In order: the tier, then the owner's with the fewest running, and of these the oldest. So one owner's thousand jobs
    keep nobody else waiting.
    """
    may_run: list[ColumnElement[bool]] = [jobs.c.tier.not_in(select(paused.c.tier))]
    if full:
        may_run.append(jobs.c.model.not_in(sorted(full)))
    running = (
        select(jobs.c.owner, func.count().label("jobs"))
        .where(jobs.c.status == Status.IN_PROGRESS)
        .group_by(jobs.c.owner)
        .subquery()
    )
    return (
        select(jobs.c.id, jobs.c.model)
        .outerjoin(running, running.c.owner == jobs.c.owner)
        .where(jobs.c.status == Status.QUEUED, *may_run)
        .order_by(jobs.c.tier, func.coalesce(running.c.jobs, 0), jobs.c.created_at, jobs.c.id)
    )


def _full_models(connection: Connection, limit_of: Limits) -> set[str]:
    """The models that run as many jobs as they may."""
    running = select(jobs.c.model, func.count()).where(jobs.c.status == Status.IN_PROGRESS).group_by(jobs.c.model)
    return {model for model, count in connection.execute(running) if count >= (limit_of(model) or count + 1)}


def _has_room(connection: Connection, model: str, limit_of: Limits) -> bool:
    """Whether a model runs fewer jobs than it may, counted while no other claim of the model can be committed."""
    limit = limit_of(model)
    if limit is None or connection.dialect.name == "sqlite":
        return True  # counted in this very transaction, and SQLite has one writer
    try:
        with connection.begin_nested():
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            connection.execute(select(func.pg_advisory_xact_lock(*lock_of(model))))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        return False  # whoever has it hangs; the database ends that session within seconds
    running = select(func.count()).where(jobs.c.status == Status.IN_PROGRESS, jobs.c.model == model)
    return connection.execute(running).scalar_one() < limit

"""Which queued job a worker claims next, and the claim itself.

A claim takes a row, and no lock that another job's claim needs: PostgreSQL skips rows that others are claiming, SQLite
has one writer at a time. Only jobs of a model that runs so many at once wait for each other.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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


class RunningLimits(NamedTuple):
    """How many jobs of a model, and of an owner, may run at once over all workers; None for any number.

    Without `of_owner` no owner has a limit, and none is looked at.
    """

    of_model: Limits
    of_owner: Limits | None = None


def claim_next(connection: Connection, worker: str, limits: RunningLimits, *, only_to_end: bool = False) -> str | None:
    """Claim the queued job whose turn it is, inside the caller's transaction; its id, None when there is none.

    Jobs that are only to be ended come before the line: whatever their tier, also while it is paused, and whatever
    their model's and their owner's limit. `only_to_end` claims no others.
    """
    candidate = _first(connection, _to_end())
    full = _Full() if only_to_end or candidate else _full(connection, limits)
    while candidate is None and not only_to_end:
        candidate = _first(connection, _in_line(full.models, full.owners))
        if candidate is None:
            return None
        if not _has_room(connection, jobs.c.model, candidate.model, limits.of_model(candidate.model)):
            full.models.add(candidate.model)
            candidate = None
        elif limits.of_owner and not _has_room(
            connection, jobs.c.owner, candidate.owner, limits.of_owner(candidate.owner)
        ):
            full.owners.add(candidate.owner)
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


def lock_of(name: str) -> tuple[int, int]:
    """The name of PostgreSQL's lock for the claims of a model's or an owner's jobs."""
    return _CLAIM_LOCK, zlib.crc32(name.encode()) - 2**31


def _may_claim(connection: Connection, worker: str) -> bool:
    dead = select(workers.c.id).where(workers.c.id == worker, workers.c.dead == 1)
    return connection.execute(dead).first() is None


def _first(connection: Connection, candidates: Select[Any]) -> Row[Any] | None:
    # SQLite knows no FOR UPDATE, and leaves it out.
    locked = candidates.limit(1).with_for_update(of=jobs, skip_locked=True)
    return connection.execute(locked).one_or_none()


def _to_end() -> Select[Any]:
    return select(jobs.c.id, jobs.c.model, jobs.c.owner).where(jobs.c.status == Status.QUEUED, _TO_END)


def _in_line(full_models: Collection[str], full_owners: Collection[str] = ()) -> Select[Any]:
    """The queued jobs of tiers that are not paused, of models with room and of owners who may run one more.

    In order: the tier, then the owner's with the fewest running, and of these the oldest. So one owner's thousand jobs
    keep nobody else waiting.
    """
    may_run: list[ColumnElement[bool]] = [jobs.c.tier.not_in(select(paused.c.tier))]
    if full_models:
        may_run.append(jobs.c.model.not_in(sorted(full_models)))
    if full_owners:
        may_run.append(jobs.c.owner.not_in(sorted(full_owners)))
    running = (
        select(jobs.c.owner, func.count().label("jobs"))
        .where(jobs.c.status == Status.IN_PROGRESS)
        .group_by(jobs.c.owner)
        .subquery()
    )
    return (
        select(jobs.c.id, jobs.c.model, jobs.c.owner)
        .outerjoin(running, running.c.owner == jobs.c.owner)
        .where(jobs.c.status == Status.QUEUED, *may_run)
        .order_by(jobs.c.tier, func.coalesce(running.c.jobs, 0), jobs.c.created_at, jobs.c.id)
    )


@dataclass(frozen=True, slots=True)
class _Full:
    """Of whom as many jobs run as may."""

    models: set[str] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)


def _full(connection: Connection, limits: RunningLimits) -> _Full:
    models = _at_limit(connection, jobs.c.model, limits.of_model)
    return _Full(models, _at_limit(connection, jobs.c.owner, limits.of_owner) if limits.of_owner else set())


def _at_limit(connection: Connection, column: ColumnElement[str], limit_of: Limits) -> set[str]:
    """The models, or the owners, of which as many jobs run as may."""
    running = select(column, func.count()).where(jobs.c.status == Status.IN_PROGRESS).group_by(column)
    return {name for name, count in connection.execute(running) if count >= (limit_of(name) or count + 1)}


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
    running = select(func.count()).where(jobs.c.status == Status.IN_PROGRESS, column == name)
    return connection.execute(running).scalar_one() < limit

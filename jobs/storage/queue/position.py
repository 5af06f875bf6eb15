"""How many jobs are before a queued one."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select

from jobs.storage.schema import IS_QUEUED, jobs

# Who has so many before it need not know how many exactly, and each look would have to count them all.
MOST = 1_000


class Position(NamedTuple):
    """How many queued jobs were accepted before one, `MOST` for so many or more, and when the first of all was."""

    before: int
    oldest_at: float


def position_of(connection: Connection, accepted_at: float) -> Position:
    """The position of a queued job by when it was accepted (Unix s)."""
    count, oldest_at = connection.execute(select_position(accepted_at)).one()
    return Position(count, oldest_at or accepted_at)


def select_position(accepted_at: float) -> Select[int, Any]:
    """SELECT of the two numbers, the second NULL for the first job of all."""
    before = select(jobs.c.created_at).where(IS_QUEUED, jobs.c.created_at < accepted_at)
    first = before.order_by(jobs.c.created_at).limit(MOST).subquery()
    return select(func.count(), func.min(first.c.created_at)).select_from(first)

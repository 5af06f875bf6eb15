"""The lines that queued jobs wait in: one for each tier, owner and model.

A line is found by its first job, and the next line by one seek in the index `jobs_in_line`: what a look costs grows
with the number of owners and models that have jobs waiting, not with the number of the jobs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Tuple, select, tuple_

from jobs.storage.schema import IS_QUEUED, jobs

# In the order in which they are served.
TIERS = (0, 1)
_PLACE = (jobs.c.tier, jobs.c.owner, jobs.c.model, jobs.c.created_at, jobs.c.id)
# After all times.
_NEVER = 1e300


class Line(NamedTuple):
    """The queued jobs of a tier, an owner and a model; when the first of them was accepted (Unix s), and its id."""

    tier: int
    owner: str
    model: str
    oldest_at: float
    first_id: str


def all_lines(connection: Connection) -> list[Line]:
    """Every line that somebody waits in, in no order."""
    return [Line(*row) for row in connection.execute(select_lines())]


def select_lines() -> Select[Any]:
    """SELECT of the lines. Neither database skips from value to value of an index by itself."""
    heads = select(_first_job_behind(TIERS[0], "", "").label("id")).cte("heads", recursive=True)
    # Expressions, not columns: SQLite compares rows by its index only with values that have no type of their own.
    next_head = _first_job_behind(jobs.c.tier + 0, jobs.c.owner + "", jobs.c.model + "").label("id")
    heads = heads.union_all(select(next_head).join_from(heads, jobs, heads.c.id == jobs.c.id))
    lines = select(jobs.c.tier, jobs.c.owner, jobs.c.model, jobs.c.created_at, jobs.c.id)
    return lines.where(jobs.c.id.in_(select(heads.c.id)))


def select_line(line: Line) -> Select[Any]:
    """SELECT of the ids of a line's jobs, the oldest first."""
    place, name = tuple_(*_PLACE), line[:3]
    first, end = _place(*name, oldest_at=line.oldest_at), _place(*name, oldest_at=_NEVER)
    return select(jobs.c.id).where(IS_QUEUED, place >= first, place < end).order_by(*_PLACE)


def _first_job_behind(*line: ColumnElement[Any] | str | int) -> ColumnElement[str]:
    """The id of the first job behind a line.

    It compares rows, and sorts by all columns of the index, so that PostgreSQL takes no other: the single columns it
    may look up in an index of all jobs that ever were.
    """
    others = jobs.alias("others")
    columns = [others.c[column.name] for column in _PLACE]
    behind = tuple_(*columns) > _place(*line, oldest_at=_NEVER)
    return select(others.c.id).where(IS_QUEUED, behind).order_by(*columns).limit(1).scalar_subquery()


def _place(*line: ColumnElement[Any] | str | float, oldest_at: float) -> Tuple:
    """The place of a queued job in the index, before all that were accepted in the same moment."""
    return tuple_(*line, oldest_at, "", types=[column.type for column in _PLACE])

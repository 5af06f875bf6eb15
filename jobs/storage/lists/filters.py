"""Which jobs of an owner a list holds, and in which order."""

from __future__ import annotations

from typing import Any, TypedDict

from sqlalchemy import ColumnElement, Select, select

from jobs.job import Status
from jobs.storage.rows import storable
from jobs.storage.schema import IS_HELD, jobs
from jobs.storage.search.matches import ACCEPTANCE, MOST_COUNTED, found


class Filter(TypedDict, total=False):
    """Only jobs of a status, those of a prompt, those that have all `words` in their request or text, in any case.

    With `held` only those that wait for a person.
    """

    status: Status | None
    prompt: str | None
    words: str
    held: bool


def matching(
    query: Select[Any],
    dialect: str,
    owner: str,
    *,
    status: Status | None = None,
    prompt: str | None = None,
    words: str = "",
    held: bool = False,
) -> Select[Any]:
    """A SELECT from `jobs`, now only of the owner's that match a Filter."""
    query = query.where(IS_HELD) if held else query
    of_prompt = None if prompt is None else prompt_id(prompt)
    wanted = [(column, value) for column, value in ((jobs.c.status, status), (jobs.c.prompt, of_prompt)) if value]
    if not words.strip():
        return query.where(jobs.c.owner == owner, *(column == value for column, value in wanted))  # invariant 8
    # Joined with "" for SQLite, or it might read an index of `jobs` instead of that of words, and sort its rows.
    values = (
        (column + "" if dialect == "sqlite" else column, value) for column, value in [(jobs.c.owner, owner), *wanted]
    )
    return found(query, dialect, owner, words).where(*(column == value for column, value in values))


def first_of(query: Select[Any], dialect: str, limit: int, *, words: str, newest_first: bool) -> Select[Any]:
    """Up to `limit` rows of a SELECT that `matching` has made with these `words`, in order of age."""
    ordered = _in_order(query, order_of(words), newest_first=newest_first)
    if dialect == "sqlite" or not words.strip():
        return ordered.limit(limit)
    # PostgreSQL takes a word that it has no statistics of for one that each 200th job has. To find a few of those it
    # would read all jobs, one after the other; a thousand of them it looks up.
    several = ordered.add_columns(ACCEPTANCE.label("place")).limit(max(limit, MOST_COUNTED))
    *columns, place = several.cte("found").prefix_with("MATERIALIZED").c
    return _in_order(select(*columns), (place,), newest_first=newest_first).limit(limit)


def order_of(words: str) -> tuple[ColumnElement[Any], ...]:
    """By what jobs with these words are ordered, or all jobs when there are none."""
    return (ACCEPTANCE,) if words.strip() else (jobs.c.created_at, jobs.c.id)


def prompt_id(prompt: str) -> str:
    """A prompt's id as rows have it: in lower case."""
    return storable(prompt).lower()


def _in_order(query: Select[Any], keys: tuple[ColumnElement[Any], ...], *, newest_first: bool) -> Select[Any]:
    return query.order_by(*(key.desc() if newest_first else key for key in keys))

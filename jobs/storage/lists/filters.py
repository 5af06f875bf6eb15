"""Which jobs of an owner a list holds, and in which order."""

from __future__ import annotations

from typing import Any, TypedDict

from sqlalchemy import ColumnElement, Select

from jobs.job import Status
from jobs.storage.rows import storable
from jobs.storage.schema import IS_HELD, jobs
from jobs.storage.search.matches import ACCEPTANCE, found


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
    query = found(query, dialect, owner, words)
    # Joined with "", or an index of `jobs` might be read instead of that of words, and its rows sorted.
    return query.where(*(column + "" == value for column, value in [(jobs.c.owner, owner), *wanted]))


def order_of(words: str) -> tuple[ColumnElement[Any], ...]:
    """By what jobs with these words are ordered, or all jobs when there are none."""
    return (ACCEPTANCE,) if words.strip() else (jobs.c.created_at, jobs.c.id)


def prompt_id(prompt: str) -> str:
    """A prompt's id as rows have it: in lower case."""
    return storable(prompt).lower()

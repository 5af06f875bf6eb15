"""Which jobs of an owner a list holds, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, TypedDict, Unpack

from sqlalchemy import ColumnElement, Select, TextClause, and_, func, select

from jobs.job import Status
from jobs.storage.lists.labels import job_labels
from jobs.storage.rows import storable
from jobs.storage.schema import IS_HELD, IS_STARRED, jobs
from jobs.storage.search.matches import ACCEPTANCE, MOST_COUNTED, found


class Filter(TypedDict, total=False):
    """Only jobs of a status, those of a prompt, those that have all `words` in title, request or text, in any case.

    With `held` only those that wait for a person, with `starred` those with a star; those with a label; those that were
    accepted at `since` or later, and before `until` (Unix seconds). What is left out, or empty, leaves all.
    """

    status: Status | None
    prompt: str | None
    words: str
    held: bool
    starred: bool
    label: str | None
    since: float | None
    until: float | None


class Sort(StrEnum):
    """What a list begins with. All orders but the first two are of the newest jobs only, and of what they had last."""

    NEWEST = "newest"
    OLDEST = "oldest"
    MOST_WORDS = "words"
    LONGEST = "duration"
    TITLE = "title"

    @property
    def is_by_age(self) -> bool:
        """Whether jobs are in the order of their acceptance, one way or the other."""
        return self in (Sort.NEWEST, Sort.OLDEST)

    @property
    def is_rising(self) -> bool:
        """Whether the least comes first."""
        return self in (Sort.OLDEST, Sort.TITLE)


def matching(query: Select[Any], dialect: str, owner: str, **only: Unpack[Filter]) -> Select[Any]:
    """A SELECT from `jobs`, now only of the owner's that match a Filter."""
    query = query.where(IS_HELD) if only.get("held") else query
    texts = [(jobs.c.owner, owner), *_texts(only)]
    # Joined with "", so that no index of `jobs` is read instead of a narrower one, and its rows sorted.
    unindexed = [column + "" == value for column, value in texts]
    if is_search(only):
        # PostgreSQL has statistics for that, of the columns as they are.
        of_columns = unindexed if dialect == "sqlite" else [column == value for column, value in texts]
        query = found(query, dialect, owner, only["words"]).where(*of_columns)
        return query.where(*_others(only, jobs.c.created_at + 0, jobs.c.starred + 0 == 1), *_has_label(only))
    if label := only.get("label"):
        query = query.join(job_labels, job_labels.c.job_id == jobs.c.id).where(*unindexed)
        query = query.where(job_labels.c.owner == owner, job_labels.c.label == storable(label))  # invariant 8
        return query.where(*_others(only, job_labels.c.created_at, jobs.c.starred + 0 == 1))
    others = unindexed[1:] if only.get("starred") else [column == value for column, value in texts[1:]]
    return query.where(jobs.c.owner == owner, *others, *_others(only, jobs.c.created_at, IS_STARRED))  # invariant 8


def first_of(query: Select[Any], dialect: str, limit: int, only: Filter, *, rising: bool) -> Select[Any]:
    """Up to `limit` rows of a SELECT that `matching` has made, in order of age: the newest first, or the oldest."""
    ordered = in_order(query, order_of(only), rising=rising)
    if dialect == "sqlite" or not is_search(only):
        return ordered.limit(limit)
    # PostgreSQL takes a word that it has no statistics of for one that each 200th job has. To find a few of those it
    # would read all jobs, one after the other; a thousand of them it looks up.
    several = ordered.add_columns(ACCEPTANCE.label("place")).limit(max(limit, MOST_COUNTED))
    *columns, place = several.cte("found").prefix_with("MATERIALIZED").c
    return in_order(select(*columns), (place,), rising=rising).limit(limit)


def in_order(query: Select[Any], keys: tuple[ColumnElement[Any], ...], *, rising: bool) -> Select[Any]:
    """The SELECT, ordered by the keys."""
    return query.order_by(*(key if rising else key.desc() for key in keys))


def order_of(only: Filter) -> tuple[ColumnElement[Any], ...]:
    """By what such jobs are in the order of their age."""
    if is_search(only):
        return (ACCEPTANCE,)
    if only.get("label"):
        return job_labels.c.created_at, job_labels.c.job_id
    return jobs.c.created_at, jobs.c.id


def value_of(sort: Sort) -> ColumnElement[Any]:
    """By what jobs are sorted that are not in the order of age; what is not known yet counts as nothing."""
    if sort is Sort.MOST_WORDS:
        return func.coalesce(jobs.c.words, 0)
    if sort is Sort.LONGEST:
        return func.coalesce(jobs.c.ended_at - jobs.c.started_at, 0.0)
    return func.lower(func.coalesce(jobs.c.name, jobs.c.title, ""))


def is_search(only: Filter) -> bool:
    """Whether jobs are looked for by words."""
    return bool(only.get("words", "").strip())


def is_counted(only: Filter) -> bool:
    """Whether the numbers of such jobs are kept, so that none has to be counted."""
    return not any(value for name, value in only.items() if name not in ("status", "prompt"))


def prompt_id(prompt: str) -> str:
    """A prompt's id as rows have it: in lower case."""
    return storable(prompt).lower()


def _texts(only: Filter) -> Iterator[tuple[ColumnElement[str], str]]:
    if status := only.get("status"):
        yield jobs.c.status, status
    if prompt := only.get("prompt"):
        yield jobs.c.prompt, prompt_id(prompt)


def _others(
    only: Filter, created_at: ColumnElement[float], is_starred: ColumnElement[bool] | TextClause
) -> Iterator[ColumnElement[bool] | TextClause]:
    if only.get("starred"):
        yield is_starred
    if (since := only.get("since")) is not None:
        yield created_at >= since
    if (until := only.get("until")) is not None:
        yield created_at < until


def _has_label(only: Filter) -> Iterator[ColumnElement[bool]]:
    if label := only.get("label"):
        named = and_(job_labels.c.job_id == jobs.c.id, job_labels.c.label == storable(label))
        yield select(job_labels.c.job_id).where(named).exists()

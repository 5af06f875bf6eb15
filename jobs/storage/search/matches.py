"""Reading the index: which jobs have all the words that somebody looks for, in one scan, the newest first."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, ScalarSelect, Select, cast, false, literal, select
from sqlalchemy.dialects.postgresql import TSQUERY

from jobs.storage.schema import jobs, search_entries
from jobs.storage.search.words import AskedWord, asked_words, owner_word

# Nobody reads a larger number, and to count all that have a common word takes long.
MOST_COUNTED = 1000

_index = sa.table("search_index", sa.column("rowid"), sa.column("words"))
# What `found` is to be ordered by. SQLite's index is read in this order, and only as far as there is to be an answer.
ACCEPTANCE = _index.c.rowid


def number_of(job_id: str) -> ScalarSelect[int]:
    """Where a job stands in that order."""
    return select(search_entries.c.number).where(search_entries.c.job_id == job_id).scalar_subquery()


def found(query: Select[Any], dialect: str, owner: str, question: str) -> Select[Any]:
    """A SELECT from `jobs`, now only of the owner's jobs that have each word of the question."""
    joined = query.join(search_entries, search_entries.c.job_id == jobs.c.id)
    joined = joined.join(_index, _index.c.rowid == search_entries.c.number)
    return joined.where(_matches(dialect, owner, asked_words(question)))


def _matches(dialect: str, owner: str, asked: list[AskedWord]) -> ColumnElement[bool]:
    if not asked:
        return false()
    words = [AskedWord(owner_word(owner)), *asked]
    if dialect == "sqlite":
        expression = " AND ".join(f'"{word.text}"' + " *" * word.is_beginning for word in words)
        return sa.literal_column("search_index").op("MATCH", is_comparison=True)(literal(expression))
    expression = " & ".join(f"'{word.text}'" + ":*" * word.is_beginning for word in words)
    return _index.c.words.op("@@", is_comparison=True)(cast(expression, TSQUERY))

"""Reading the index: which jobs have all the words that somebody looks for, in one scan, the newest first."""

from __future__ import annotations

from functools import reduce
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, ScalarSelect, Select, case, cast, false, func, literal, select
from sqlalchemy.dialects.postgresql import TSQUERY

from jobs.storage.schema import jobs, search_entries
from jobs.storage.search.words import AskedWord, asked_words, owner_word

# FTS5 collects all jobs that have a word's beginning before it gives the newest. Words that are named one by one it
# reads only as far as it is asked, which is faster up to about so many.
_MOST_WORDS_NAMED = 200
_LAST_CHARACTER = "\U0010ffff"
# Nobody reads a larger number, and to count all that have a common word takes long.
MOST_COUNTED = 1000

_index = sa.table("search_index", sa.column("rowid"), sa.column("words"))
_terms = sa.table("search_index_terms", sa.column("term", sa.Text))
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
        phrases = reduce(lambda before, one: before + " AND " + one, map(phrase, words))
        return sa.literal_column("search_index").op("MATCH", is_comparison=True)(phrases)
    expression = " & ".join(f"'{word.text}'" + ":*" * word.is_beginning for word in words)
    return _index.c.words.op("@@", is_comparison=True)(cast(expression, TSQUERY))


def phrase(word: AskedWord) -> ColumnElement[str]:
    """What FTS5 is asked about a word: the word, or the few in the index that begin with it, or its beginning."""
    if not word.is_beginning:
        return literal(f'"{word.text}"')
    begun = select(_terms.c.term).where(_terms.c.term >= word.text, _terms.c.term < word.text + _LAST_CHARACTER)
    named = begun.limit(_MOST_WORDS_NAMED + 1).subquery()
    either = literal("(") + func.group_concat(literal('"') + named.c.term + '"', " OR ") + ")"
    names = select(case((func.count() <= _MOST_WORDS_NAMED, either))).select_from(named).scalar_subquery()
    return func.coalesce(names, f'"{word.text}" *')

"""Writing the index: a job's entry is made, completed and removed in the transaction that does so with its row.

The index keeps no text. PostgreSQL's is a `tsvector` with a GIN index. SQLite's is an FTS5 table without content: to
remove an entry it has to be told its words once more, so they are made again from the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, delete, insert, select, text, update

from jobs.protocol.fold import text_of
from jobs.requests.job_request import JobRequest
from jobs.storage.images.kept_images import release_images
from jobs.storage.schema import jobs, search_entries
from jobs.storage.search.words import distinct, owner_word, words_of

_ADD = text("INSERT INTO search_index (rowid, words) VALUES (:number, :words)")
_REMOVE = text("INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', :number, :words)")
# Pages of FTS5's segments, a few with each write: the merges that it makes by itself take up to a second.
_MERGE = text("INSERT INTO search_index (search_index, rank) VALUES ('merge', 32)")
_SET = text(
    "INSERT INTO search_index (rowid, words) VALUES (:number, array_to_tsvector(CAST(:words AS text[])))"
    " ON CONFLICT (rowid) DO UPDATE SET words = excluded.words"
)
# In the place of a word that another version of Unicode does not see in the text any more: FTS5 counts words.
_NO_WORD = "_"
_ROWS_AT_ONCE = 20


def entry_words(owner: str, name: str | None, request: JobRequest, written: str = "") -> list[str]:
    """The words by which a job is found: those of the name that its owner gave it, of the request, of what is written.

    In this order: at a job's end there are only more of them.
    """
    return distinct([owner_word(owner), *words_of(name or ""), *words_of(request.search_text), *words_of(written)])


def row_words(row: Mapping[str, Any] | RowMapping) -> list[str]:
    """The same for a row with the columns `owner`, `name`, `request` and, when it has ended, `response`."""
    written = text_of(orjson.loads(row["response"])) if row.get("response") else ""
    return entry_words(row["owner"], row["name"], JobRequest.from_json(row["request"]), written)


def set_entry(connection: Connection, job_id: str, words: Sequence[str], before: Sequence[str] | None = None) -> None:
    """Let a job be found by these words.

    They begin with those that it was found by `before`, if there were any; only where they do not has to be told what
    those were.
    """
    mine = select(search_entries.c.number, search_entries.c.indexed).where(search_entries.c.job_id == job_id)
    entry = connection.execute(mine).one_or_none()
    if entry is None:
        new = insert(search_entries).values(job_id=job_id, indexed=len(words)).returning(search_entries.c.number)
        _write(connection, connection.execute(new).scalar_one(), words)
    else:
        _write(connection, entry.number, words, words if before is None else before, entry.indexed)
        known = update(search_entries).where(search_entries.c.number == entry.number)
        connection.execute(known.values(indexed=len(words)))


def delete_jobs(connection: Connection, *conditions: ColumnElement[bool]) -> list[str]:
    """Remove rows of jobs, and all that belongs to them: nothing else deletes one. Returns their ids."""
    if connection.dialect.name == "sqlite":
        for rows in connection.execute(_select_entries(*conditions)).mappings().partitions(_ROWS_AT_ONCE):
            for row in rows:
                _erase(connection, row["number"], row_words(row), row["indexed"])
    removed = list(connection.execute(delete(jobs).where(*conditions).returning(jobs.c.id)).scalars())
    release_images(connection, removed)
    return removed


def _select_entries(*conditions: ColumnElement[bool]) -> Select[Any]:
    columns = (jobs.c.owner, jobs.c.name, jobs.c.request, jobs.c.response)
    joined = select(search_entries.c.number, search_entries.c.indexed, *columns).join(
        search_entries, search_entries.c.job_id == jobs.c.id
    )
    return joined.where(search_entries.c.indexed > 0, *conditions)


def _write(
    connection: Connection, number: int, words: Sequence[str], before: Sequence[str] = (), indexed: int = 0
) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_SET, {"number": number, "words": list(words)})
        return
    if indexed:
        _erase(connection, number, before, indexed)
    connection.execute(_ADD, {"number": number, "words": " ".join(words)})
    connection.execute(_MERGE)


def _erase(connection: Connection, number: int, words: Sequence[str], indexed: int) -> None:
    """Take the first so many words of an entry out of FTS5."""
    told = [*words, *[_NO_WORD] * indexed][:indexed]
    connection.execute(_REMOVE, {"number": number, "words": " ".join(told)})

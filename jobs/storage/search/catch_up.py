"""Indexing the jobs that a version before the index wrote, which left their words in the column `search`.

Their rows get the columns of lists, too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import RowMapping, select, update

from jobs.storage.database import Database
from jobs.storage.lists.older_rows import listed_values
from jobs.storage.schema import IS_UNINDEXED, jobs
from jobs.storage.search.entries import row_words, set_entry

_ROWS_AT_ONCE = 20


def index_some(database: Database, seconds: float = 0.2) -> int:
    """Index jobs that are not in the index yet, for so long. Returns how many: 0 when there is none.

    A worker of an earlier version may write beside this one; what it adds meanwhile is left for the next time.
    """
    count = 0
    deadline = time.monotonic() + seconds
    while rows := _unindexed(database):
        _index(database, rows)
        count += len(rows)
        if time.monotonic() > deadline:
            break
    return count


def _index(database: Database, rows: Sequence[RowMapping]) -> None:
    words = [row_words(row) for row in rows]
    with database.write() as connection:
        for row, its_words in zip(rows, words, strict=True):
            same = (jobs.c.search == row["search"], jobs.c.name.is_not_distinct_from(row["name"]))
            unchanged = update(jobs).where(jobs.c.id == row["id"], *same)
            if connection.execute(unchanged.values(search="", **listed_values(row))).rowcount:
                set_entry(connection, row["id"], its_words)


def _unindexed(database: Database) -> Sequence[RowMapping]:
    columns = (jobs.c.id, jobs.c.owner, jobs.c.name, jobs.c.request, jobs.c.response, jobs.c.search)
    columns_of_lists = (jobs.c.created_at, jobs.c.title, jobs.c.outcome)
    query = select(*columns, *columns_of_lists).where(IS_UNINDEXED).order_by(jobs.c.id).limit(_ROWS_AT_ONCE)
    with database.read() as connection:
        return connection.execute(query).mappings().all()

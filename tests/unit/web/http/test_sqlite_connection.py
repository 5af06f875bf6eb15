"""A statement of SQLite that waits, or takes long, does not stop the event loop; it gives what it always gives."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import gevent
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from jobs.storage.database import Database, DatabaseOptions
from web.http.native_threads import NativeThreads
from web.http.sqlite_connection import ThreadedConnection


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    options = DatabaseOptions(sqlite_connection=partial(ThreadedConnection, NativeThreads(2)))
    made = Database(f"sqlite:///{tmp_path / 'numbers.db'}", options)
    with made.write() as connection:
        connection.execute(text("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO numbers VALUES (:n)"), [{"n": n} for n in range(5)])
    yield made
    made.engine.dispose()


def test_other_greenlets_run_while_a_statement_waits_for_a_lock(database: Database) -> None:
    with closing(sqlite3.connect(database.engine.url.database or "", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = gevent.spawn(other.rollback)  # runs only if the write below leaves the event loop alone
        with database.write() as connection:
            connection.execute(text("INSERT INTO numbers VALUES (5)"))
        release.join()


def test_rows_come_one_by_one_some_at_a_time_and_all_at_once(database: Database) -> None:
    numbers = text("SELECT n FROM numbers ORDER BY n")
    with database.read() as connection:
        found = connection.execute(numbers)
        assert (found.fetchone(), found.fetchmany(2), found.fetchall()) == ((0,), [(1,), (2,)], [(3,), (4,)])
        assert [n for (n,) in connection.execute(numbers)] == [0, 1, 2, 3, 4]
        assert connection.execute(text("SELECT n FROM numbers WHERE n = 9")).one_or_none() is None


def test_changes_are_counted_returned_and_undone(database: Database) -> None:
    with database.write() as connection:
        assert connection.execute(text("UPDATE numbers SET n = n + 10 WHERE n > 2")).rowcount == 2
        gone = connection.execute(text("DELETE FROM numbers WHERE n < 2 RETURNING n"))
        assert sorted(gone.scalars()) == [0, 1]
    with pytest.raises(IntegrityError):
        _delete_and_insert(database, gone=13, twice=2)
    with database.read() as connection:
        assert connection.execute(text("SELECT n FROM numbers ORDER BY n")).scalars().all() == [2, 13, 14]


def _delete_and_insert(database: Database, *, gone: int, twice: int) -> None:
    with database.write() as connection:
        connection.execute(text("DELETE FROM numbers WHERE n = :n"), {"n": gone})
        connection.execute(text("INSERT INTO numbers VALUES (:n)"), {"n": twice})

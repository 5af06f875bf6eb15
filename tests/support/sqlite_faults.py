"""Holds up whoever writes to a SQLite database: all of them by its lock, or one statement by a trigger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_LONG_SECONDS = 0.5


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Nobody else writes for as long as this lasts."""
    with _connection(database) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def is_locked(database: Path) -> bool:
    """Whether somebody is in the middle of a write that takes longer than writes do."""
    with _connection(database, _LONG_SECONDS) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


@contextmanager
def endless(database: Path, change: str) -> Iterator[None]:
    """A change like `UPDATE OF ended_at ON jobs` lasts until the process that makes it is killed.

    It is made in a transaction that nobody else sees then; when the block ends, no process may be in it.
    """
    with _connection(database) as connection:
        numbers = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)"
        connection.execute(f"CREATE VIEW all_numbers AS {numbers} SELECT count(*) AS count FROM numbers")
        connection.execute(f"CREATE TRIGGER endless AFTER {change} BEGIN SELECT count FROM all_numbers; END")
    yield
    with _connection(database) as connection:
        connection.execute("DROP TRIGGER endless")
        connection.execute("DROP VIEW all_numbers")


@contextmanager
def _connection(database: Path, timeouts: float = 30) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, timeout=timeouts, isolation_level=None)) as connection:
        yield connection

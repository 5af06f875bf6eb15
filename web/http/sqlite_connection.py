"""SQLite's connections in a process with an event loop: a statement takes as long as it takes, in another thread.

The driver waits inside a call, for a lock or for its own work, and gevent cannot switch there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from web.http.native_threads import NativeThreads


class ThreadedConnection(sqlite3.Connection):
    """A connection whose statements run in `threads`. One greenlet at a time uses it."""

    def __init__(self, threads: NativeThreads, *arguments: Any, **options: Any) -> None:
        """`arguments` and `options` are the driver's own."""
        super().__init__(*arguments, **options)
        self._threads = threads

    def cursor(self, factory: Callable[..., Any] | None = None) -> Any:
        """A cursor of this connection."""
        return super().cursor(factory or partial(ThreadedCursor, self._threads))

    def commit(self) -> None:
        """Commit the transaction, if there is one."""
        if self.in_transaction:
            self._threads.run(super().commit)

    def rollback(self) -> None:
        """Undo the transaction, if there is one: the pool asks for it after each read, too."""
        if self.in_transaction:
            self._threads.run(super().rollback)


class ThreadedCursor(sqlite3.Cursor):
    """Has all rows when `execute` returns: each further row could take long to find, too."""

    def __init__(self, threads: NativeThreads, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._threads = threads
        self._rows: Sequence[Any] = ()
        self._next = 0

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run a statement to its end."""
        self._rows = self._threads.run(self._all_rows, sql, parameters)
        self._next = 0
        return self

    def _all_rows(self, sql: str, parameters: Any) -> list[Any]:
        super().execute(sql, parameters)
        return super().fetchall()

    def executemany(self, sql: str, parameters: Any, /) -> Any:
        """Run a statement for each of several parameters."""
        self._threads.run(super().executemany, sql, parameters)
        return self

    def fetchone(self) -> Any:
        """The next row, None behind the last."""
        return next(iter(self.fetchmany(1)), None)

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        """The next rows, all that are left when `size` is None."""
        end = len(self._rows) if size is None else self._next + size
        rows = list(self._rows[self._next : end])
        self._next += len(rows)
        return rows

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        return self.fetchmany(None)

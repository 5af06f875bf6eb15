"""The database: its engine and short transactions. SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from jobs.errors import BadSetting

_BUSY_SECONDS = 10


class Database:
    """Short transactions on one engine. Built after fork, one per process; hold none across other I/O."""

    def __init__(self, url: str) -> None:
        self.engine = connect(url)
        # SQLite has one writer at a time, and who finds it taken sleeps: threads of one process had better queue.
        self._turn = threading.Lock() if self.engine.name == "sqlite" else nullcontext()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for single SELECTs, each of its own transaction: it never blocks a writer."""
        with self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, committed at the end, undone on any error."""
        with self._turn, self.engine.begin() as connection:
            yield connection


def connect(url: str) -> Engine:
    """The engine for a database URL. Raises BadSetting when it makes no sense or its driver is missing."""
    try:
        if make_url(url).get_backend_name() != "sqlite":
            return create_engine(url, pool_pre_ping=True, pool_timeout=5, hide_parameters=True)
        engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, hide_parameters=True)
    except Exception as error:
        raise BadSetting(f"PENSTOCK_DATABASE_URL: {error}") from error
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_immediate(connection: Connection) -> None:
    # A transaction that reads before it writes is refused at once when another wrote meanwhile, whatever the
    # busy timeout; taking the write lock first waits for it instead.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def reason(error: SQLAlchemyError) -> str:
    """What the driver says of a database that cannot be reached or written; of other errors the type.

    Their words may quote a row.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return str(error.orig).partition("\n")[0]
    return type(error).__name__

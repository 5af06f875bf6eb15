"""The database: its engine, short transactions, and the one rule for errors. SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from jobs.errors import BadSetting

T = TypeVar("T")

RETRY_SECONDS = 0.5
_BUSY_SECONDS = 10
# PostgreSQL ends what idles inside a transaction: a worker whose link went silent there would keep its locks for hours.
_SESSION_SETTINGS = {"idle_in_transaction_session_timeout": "10s", "lock_timeout": "10s", "statement_timeout": "30s"}
# A dead link is noticed within about half a minute, also while an answer is awaited (tcp_user_timeout, in ms).
_CONNECT_ARGUMENTS = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# The classes of SQLSTATE, and single states, that pass: connection, resources, shutdown, I/O, transaction undone,
# read-only, lock or idle time-out, cancelled by a time-out.
_PASSING_STATES = ("08", "53", "57", "58", "40", "25006", "25P03", "55P03", "55006")
_PASSING_SQLITE_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_NOMEM,
    }
)

_log = logging.getLogger(__name__)


class Database:
    """Short transactions on one engine. Built after fork, one per process; hold none across other I/O."""

    def __init__(self, url: str, sqlite_connection: Callable[..., sqlite3.Connection] = sqlite3.Connection) -> None:
        """`sqlite_connection` makes the driver's connections, where the database is SQLite's."""
        self.engine = connect(url, sqlite_connection)
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


def is_away(error: BaseException) -> bool:
    """Whether an error means that the database cannot be used at the moment, so that the same call may succeed later.

    That is so for a full pool, a connection that is refused or lost, a server that starts, stops, is read-only or has
    no room, and a transaction that was undone for another's sake. A connection that is lost in a COMMIT is among them:
    nobody knows whether the transaction was committed, so every write settles that by the row when it is called again.
    """
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _PASSING_SQLITE_CODES  # the low byte is the primary code
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_PASSING_STATES)
    return isinstance(error, OperationalError | InterfaceError)  # no answer came from a server


def until_written(
    write: Callable[[], T], *, pause: Callable[[float], object] = time.sleep, seconds: float | None = None
) -> T:
    """Call `write` again and again while the database is away; other errors are raised at once.

    `pause` waits for so many seconds between two calls, and may raise to give up; `seconds` bounds the whole, for
    ever when None: then the last error is raised. `write` has to be a write that may be made twice.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        try:
            return write()
        except SQLAlchemyError as error:
            if not is_away(error) or (deadline is not None and time.monotonic() + RETRY_SECONDS > deadline):
                raise
            _log.warning("the database refuses a write: %s", reason(error))
        pause(RETRY_SECONDS)


def connect(url: str, sqlite_connection: Callable[..., sqlite3.Connection] = sqlite3.Connection) -> Engine:
    """The engine for a database URL. Raises BadSetting when it makes no sense or its driver is missing."""
    try:
        parsed = _with_driver(make_url(url))
        if parsed.get_backend_name() != "sqlite":
            return _server_engine(parsed)
        arguments = {"timeout": _BUSY_SECONDS, "factory": sqlite_connection}
        engine = create_engine(url, connect_args=arguments, hide_parameters=True)
    except Exception as error:
        raise BadSetting(f"PENSTOCK_DATABASE_URL: {error}") from error
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _with_driver(url: URL) -> URL:
    """PostgreSQL's URL as other programs and hosts spell it, for psycopg 3."""
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgres", "postgresql") else url


def _server_engine(url: URL) -> Engine:
    """PostgreSQL's engine, with time-outs for a link or a session that hangs; those in the URL win."""
    arguments = {name: value for name, value in _CONNECT_ARGUMENTS.items() if name not in url.query}
    engine = create_engine(url, connect_args=arguments, pool_pre_ping=True, pool_timeout=5, hide_parameters=True)
    if "options" not in url.query:
        event.listen(engine, "connect", _prepare_session)
    return engine


def _prepare_session(connection: Any, _record: object) -> None:
    # Not as start-up options: connection poolers refuse those.
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET {name} = '{value}'" for name, value in _SESSION_SETTINGS.items()))
    connection.commit()


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

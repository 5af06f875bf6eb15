"""The database: its engine, short transactions, and the one rule for errors. SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import logging
import math
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, delete, event, insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from jobs.errors import BadSetting
from jobs.storage.schema import paused

T = TypeVar("T")

RETRY_SECONDS = 0.5
_FORMS = "sqlite:////folder/penstock.db or postgresql://user:password@host/name"
_BUSY_SECONDS = 10
_POOL_SECONDS = 5
# Open also while nobody uses them; those beyond are closed after use.
_KEPT_CONNECTIONS = 5
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


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """How a process uses its database.

    `name` is what PostgreSQL calls its sessions, `connections` how many there may be at once. `seconds` is how long a
    transaction may take, the waiting for its connection included; None for as long as it takes. `sqlite_connection`
    makes the driver's connections, where the database is SQLite's.
    """

    name: str = "penstock"
    connections: int = 15
    seconds: float | None = None
    sqlite_connection: Callable[..., sqlite3.Connection] = sqlite3.Connection


_DEFAULT_OPTIONS = DatabaseOptions()
# When the transaction of this thread, or greenlet, has to be over, on the monotonic clock.
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


class Database:
    """Short transactions on one engine. Built after fork, one per process; hold none across other I/O."""

    def __init__(self, url: str, options: DatabaseOptions = _DEFAULT_OPTIONS) -> None:
        self.engine = connect(url, options)
        self._seconds = options.seconds
        # SQLite has one writer at a time, and who finds it taken sleeps: threads of one process had better queue.
        self._turn = threading.Lock() if self.engine.name == "sqlite" else None
        self._under_way: dict[object, float] = {}

    @contextmanager
    def read(self, *, seconds: float | None = None) -> Iterator[Connection]:
        """A connection for single SELECTs, each of its own transaction: it never blocks a writer.

        `seconds` is for what has less time than others; so it is for `write`.
        """
        with self._timed(seconds or self._seconds), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def write(self, *, seconds: float | None = None) -> Iterator[Connection]:
        """One transaction, committed at the end, undone on any error."""
        with self._timed(seconds or self._seconds), self._in_turn(), self.engine.begin() as connection:
            yield connection

    def longest(self) -> float:
        """For how many seconds the longest transaction of this moment has been under way."""
        now = time.monotonic()
        return now - min(list(self._under_way.values()), default=now)

    @contextmanager
    def _timed(self, seconds: float | None) -> Iterator[None]:
        key, began = object(), time.monotonic()
        self._under_way[key] = began
        before = None if seconds is None else _deadline.set(began + seconds)
        try:
            yield
        finally:
            if before is not None:
                _deadline.reset(before)
            del self._under_way[key]

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        left = _time_left()
        if not self._turn.acquire(timeout=-1 if left is None else max(0.0, left)):
            raise PoolTimeoutError("other writes of this process take too long")
        try:
            yield
        finally:
            self._turn.release()


def _time_left() -> float | None:
    deadline = _deadline.get()
    return None if deadline is None else deadline - time.monotonic()


def check_writable(database: Database, seconds: float) -> None:
    """Write something, and take it away again, within so many seconds. Raises SQLAlchemyError."""
    tier = -secrets.randbelow(2**31) - 1  # there are none below 0, and two checks at once do not wait for each other
    with database.write(seconds=seconds) as connection:
        connection.execute(insert(paused).values(tier=tier, since=0.0))
        connection.execute(delete(paused).where(paused.c.tier == tier))


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


def connect(url: str, options: DatabaseOptions = _DEFAULT_OPTIONS) -> Engine:
    """The engine for a database URL. Raises BadSetting when it makes no sense or its driver is missing."""
    kept = min(_KEPT_CONNECTIONS, options.connections)
    pool = {"pool_size": kept, "max_overflow": options.connections - kept}
    pool["pool_timeout"] = math.ceil(min(_POOL_SECONDS, options.seconds or _POOL_SECONDS))
    try:
        parsed = _with_driver(make_url(url))
    except ArgumentError as error:
        raise BadSetting(f"PENSTOCK_DATABASE_URL: must be like {_FORMS}") from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise BadSetting(f"PENSTOCK_DATABASE_URL: {parsed.get_backend_name()} is not supported: use {_FORMS}")
    try:
        if parsed.get_backend_name() != "sqlite":
            from jobs.storage.postgresql import server_engine  # noqa: PLC0415  (slow, and not for SQLite)

            return server_engine(parsed, options.name, _time_left, options.seconds, pool)
        busy_seconds = min(_BUSY_SECONDS, options.seconds or _BUSY_SECONDS)
        arguments = {"timeout": busy_seconds, "factory": options.sqlite_connection}
        engine = create_engine(url, connect_args=arguments, hide_parameters=True, **pool)
    except Exception as error:
        raise BadSetting(f"PENSTOCK_DATABASE_URL: {error}") from error
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _with_driver(url: URL) -> URL:
    """PostgreSQL's URL as other programs and hosts spell it, for psycopg 3."""
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgres", "postgresql") else url


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    if connection.execute("PRAGMA page_count").fetchone() == (0,):  # of a file that has pages it cannot be changed
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_immediate(connection: Connection) -> None:
    # A transaction that reads before it writes is refused at once when another wrote meanwhile, whatever the
    # busy timeout; taking the write lock first waits for it instead.
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    if (left := _time_left()) is not None:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {max(0, int(1000 * left))}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def reason(error: SQLAlchemyError) -> str:
    """What the driver says of a database that cannot be reached or written; of other errors the type.

    Their words may quote a row.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return str(error.orig).partition("\n")[0]
    return type(error).__name__

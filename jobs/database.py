"""The database: its engine, short transactions, migrations. SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from jobs.errors import BadSetting
from jobs.settings import Settings

_MIGRATIONS = Path(__file__).parent / "migrations"
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


def upgrade(settings: Settings) -> None:
    """Bring the database to the newest version; a SQLite file is copied beside itself before it is changed.

    Raises BadSetting when the database cannot be reached.
    """
    url = settings.database
    engine = connect(url)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        newest = ScriptDirectory.from_config(config).get_current_head()
        if current == newest:
            return
        if current is not None:
            _back_up(url, current)
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except Exception as error:
        reason = "; ".join(str(getattr(error, "orig", None) or error).split("\n"))
        raise BadSetting(f"cannot open the database {make_url(url).render_as_string()}: {reason}") from error
    finally:
        engine.dispose()


def _back_up(url: str, revision: str) -> None:
    path = make_url(url).database if url.startswith("sqlite") else None
    if path is None:
        return
    # Not a copy of the file: part of the data may still be in the write-ahead log beside it.
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(f"{path}.{revision}.bak")) as copy:
        source.backup(copy)

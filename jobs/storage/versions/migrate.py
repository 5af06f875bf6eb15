"""The versions of the database: the one that it has, the newest, and the way there.

Apart from jobs/storage/database.py, because only commands go this way and what it takes is slow to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import make_url

from jobs.errors import BadSetting
from jobs.settings import Settings
from jobs.storage.database import connect
from jobs.storage.database_faults import remedy_of
from jobs.storage.transfer.backup import back_up
from jobs.storage.versions.check import MIGRATIONS, version_fault

_UPGRADE_LOCK = 0x70656E75


def revisions(settings: Settings) -> tuple[str | None, str]:
    """The version of the database, None when there is none yet, and the newest. Changes nothing.

    Raises BadSetting when the database cannot be reached.
    """
    engine = connect(settings.database)
    if engine.name == "sqlite" and not Path(engine.url.database or "").exists():
        return None, _newest()  # to connect would make the file
    try:
        return _current(engine), _newest()
    except Exception as error:
        raise _unreachable(settings, error) from error
    finally:
        engine.dispose()


def upgrade(settings: Settings) -> None:
    """Bring the database to the newest version; a SQLite file is copied beside itself before it is changed.

    Each version is a transaction of its own. One that changes many rows does so before that, some at a time; when it is
    interrupted, they are gone through again from the first. Raises BadSetting when the database cannot be reached.
    """
    engine = connect(settings.database)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        current = _current(engine)
        if current == _newest():
            return
        _refuse_newer(current, settings)
        file = engine.url.database if engine.name == "sqlite" else None
        if current is not None and file:
            back_up(Path(file), Path(f"{file}.{current}.bak"))
        scripts = ScriptDirectory(str(MIGRATIONS)).iterate_revisions("head", current or "base")
        for script in reversed(list(scripts)):
            _change_rows(engine, script)
            with _transaction(engine) as connection:
                # Another process may have come first.
                if script.down_revision == MigrationContext.configure(connection).get_current_revision():
                    config.attributes["connection"] = connection
                    command.upgrade(config, script.revision)
    except BadSetting:
        raise
    except Exception as error:
        raise _unreachable(settings, error) from error
    finally:
        engine.dispose()


def _refuse_newer(current: str | None, settings: Settings) -> None:
    if current is not None and current > _newest():
        raise BadSetting(version_fault(current, _newest(), settings))


def _change_rows(engine: Engine, script: Script) -> None:
    """Call a version's `change_rows`, if it has one, with the last id of the batch before, until there are no more."""
    change_rows = getattr(script.module, "change_rows", None)
    last: str | None = ""
    while change_rows and last is not None:
        with _transaction(engine) as connection:
            last = change_rows(connection, last)


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction of one process at a time, which may take longer than any statement of a request may."""
    with engine.begin() as connection:
        if engine.name == "postgresql":
            for name in ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"):
                connection.execute(text(f"SET LOCAL {name} = 0"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})"))
        yield connection


def _newest() -> str:
    return str(ScriptDirectory(str(MIGRATIONS)).get_current_head())


def _current(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _unreachable(settings: Settings, error: Exception) -> BadSetting:
    reason = "; ".join(str(getattr(error, "orig", None) or error).split("\n"))
    place = make_url(settings.database).render_as_string()
    return BadSetting(f"cannot open the database {place}: {reason}; {remedy_of(error)}")

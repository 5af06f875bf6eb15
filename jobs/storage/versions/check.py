"""The version of the database and the newest one, compared when a process starts: without alembic, slow to import."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from jobs.errors import BadSetting
from jobs.settings import Settings
from jobs.storage.database import connect, is_away, reason
from jobs.storage.database_faults import remedy_of

MIGRATIONS = Path(__file__).parents[1] / "migrations"
NO_DATABASE = "there is no database yet: run `penstock db upgrade`"

_log = logging.getLogger(__name__)


def newest_version() -> str:
    """The version to which this Penstock brings a database."""
    return max(path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def version_of(connection: Connection) -> str | None:
    """The version of a database; None when it has no tables yet. Raises SQLAlchemyError."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version


def version_fault(current: str | None, newest: str, settings: Settings) -> str:
    """What is wrong with the version of a database, and the remedy; empty when nothing is, or there is none yet."""
    if current is None or current == newest:
        return ""
    if current < newest:
        return f"the database has version {current}, not {newest}: end Penstock, then run `penstock db upgrade`"
    return (
        f"the database has version {current}, and this Penstock knows none above {newest}: install the newer one that"
        f" made it, or restore a back-up from before{_copies(settings)}"
    )


def refuse_unmigrated(settings: Settings) -> None:
    """Raise BadSetting when the database has no tables, or older ones, and warn of newer ones.

    Newer ones may do: old processes go on while new ones come. A database that does not answer is waited for, and one
    that never will, because its file is damaged, is a BadSetting.
    """
    engine = connect(settings.database)
    if engine.name == "sqlite" and not Path(str(engine.url.database).removeprefix("file:")).exists():
        raise BadSetting(NO_DATABASE)  # to connect would make the file
    try:
        with engine.connect() as connection:
            current = version_of(connection)
    except SQLAlchemyError as error:
        if is_away(error):
            return
        raise BadSetting(f"the database cannot be used ({reason(error)}): {remedy_of(error)}") from error
    finally:
        engine.dispose()
    newest = newest_version()
    fault = NO_DATABASE if current is None else version_fault(current, newest, settings)
    if current is not None and current > newest:
        _log.warning("%s", fault)
    elif fault:
        raise BadSetting(fault)


def _copies(settings: Settings) -> str:
    """Which copies of a SQLite file an upgrade has left beside it, the newest last."""
    file = connect(settings.database).url.database
    copies = sorted(Path(file).parent.glob(f"{Path(file).name}.*.bak")) if file else []
    return f" ({', '.join(map(str, copies))})" if copies else ""

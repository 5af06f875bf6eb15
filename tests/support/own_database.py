"""A database of a test's own, where others' rows would be in the way."""

from __future__ import annotations

import secrets
from pathlib import Path

from sqlalchemy import text

from jobs.settings import Settings
from jobs.storage.database import Database
from jobs.storage.migrate import upgrade
from tests.support.job_factory import JobFactory


def own_database(database: Database, file: Path) -> JobFactory:
    """An empty database of the same kind; `file` is where it is if that is SQLite."""
    url = database.engine.url
    if url.get_backend_name() == "postgresql":
        name = f"own_{secrets.token_hex(4)}"
        with database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(f"CREATE DATABASE {name}"))
        url = url.set(database=name)
    else:
        url = url.set(database=str(file))
    settings = Settings.load(database_url=url.render_as_string(hide_password=False))
    upgrade(settings)
    return JobFactory(Database(settings.database))

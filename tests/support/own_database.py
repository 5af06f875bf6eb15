"""A database of a test's own, where others' rows would be in the way."""

from __future__ import annotations

import secrets
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from jobs.settings import Settings
from jobs.storage.database import Database
from jobs.storage.versions.migrate import upgrade
from tests.support.job_factory import JobFactory


def own_settings(database: Database, file: Path) -> Settings:
    """Those of a new database of the same kind, without tables; `file` is where it is if that is SQLite."""
    url = database.engine.url
    if url.get_backend_name() == "postgresql":
        name = f"own_{secrets.token_hex(4)}"
        with database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(f"CREATE DATABASE {name}"))
        url = url.set(database=name)
    else:
        url = url.set(database=str(file))
    return Settings.load(database_url=url.render_as_string(hide_password=False))


def own_database(database: Database, file: Path) -> JobFactory:
    """An empty database of the same kind; `file` is where it is if that is SQLite."""
    settings = own_settings(database, file)
    upgrade(settings)
    return JobFactory(Database(settings.database))


def bring_to(engine: Engine, revision: str) -> None:
    """Give a database without rows the tables of a version."""
    config = Config()
    config.set_main_option("script_location", str(files("jobs.storage") / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

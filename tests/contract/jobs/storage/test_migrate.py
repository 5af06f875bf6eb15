"""The migrations: they make what the tables say, on both databases, and a SQLite file is copied before them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from jobs.errors import BadSetting
from jobs.settings import Settings
from jobs.storage.database import Database, connect
from jobs.storage.migrate import upgrade
from jobs.storage.schema import metadata
from tests.support.job_factory import JobFactory


def test_the_migrations_make_what_the_tables_say_and_do_so_once(database: Database, rows: JobFactory) -> None:
    job, url = rows.accept(), database.engine.url
    upgrade(Settings.load(database_url=url.render_as_string(hide_password=False)))
    assert rows.get(job.id) == job
    assert not list(Path(url.database or "").parent.glob("*.bak"))
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_file_of_another_version_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    settings = Settings.load(data=tmp_path)
    upgrade(settings)
    engine = connect(settings.database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    with pytest.raises(BadSetting, match=r"cannot open the database sqlite:///.*penstock\.db: .*older"):
        upgrade(settings)  # while that is in the write-ahead log only: the pool still has its connection
    engine.dispose()
    with closing(sqlite3.connect(tmp_path / "penstock.db.older.bak")) as copy:
        assert copy.execute("SELECT version_num FROM alembic_version").fetchall() == [("older",)]


def test_jobs_of_an_older_version_get_the_prompt_of_their_request(database: Database, tmp_path: Path) -> None:
    url = database.engine.url
    if url.get_backend_name() == "postgresql":
        with database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("CREATE DATABASE older"))
        url = url.set(database="older")
    else:
        url = url.set(database=str(tmp_path / "older.db"))
    address = url.render_as_string(hide_password=False)
    config = Config()
    config.set_main_option("script_location", str(files("jobs.storage") / "migrations"))
    older = connect(address)
    required = {"owner": "o", "status": "queued", "created_at": 0, "attempt": 0, "lost": 0, "seq_mark": 2}
    required |= {"index_mark": 0, "send_after": 0, "sends": 0, "body_hash": "", "opening": b""}
    with older.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for job_id, prompt in (("a", {"id": "story"}), ("b", None)):
            row = {"id": job_id, **required, "request": json.dumps({"prompt": prompt})}
            columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO jobs ({columns}) VALUES ({values})"), row)
    upgrade(Settings.load(database_url=address))
    with older.connect() as connection:
        assert connection.execute(text("SELECT id, prompt FROM jobs ORDER BY id")).all() == [
            ("a", "story"),
            ("b", None),
        ]
    older.dispose()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "PENSTOCK_DATABASE_URL"),
        ("oracle+nothing://x", "PENSTOCK_DATABASE_URL"),
        ("sqlite:////nowhere/at/all.db", "cannot open the database"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/x", "cannot open the database"),
    ],
)
def test_a_database_that_is_not_there_is_one_line(url: str, words: str) -> None:
    with pytest.raises(BadSetting, match=words) as caught:
        upgrade(Settings.load(database_url=url))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)

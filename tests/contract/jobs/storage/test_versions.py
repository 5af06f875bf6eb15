"""What is said of a database that cannot be used as it is: the remedy, whatever is wrong with it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from jobs.errors import BadSetting
from jobs.settings import Settings
from jobs.storage.database import Database, connect
from jobs.storage.database_faults import remedy_of
from jobs.storage.versions.check import MIGRATIONS, newest_version, refuse_unmigrated
from jobs.storage.versions.migrate import revisions, upgrade


def test_the_newest_version_is_alembics() -> None:
    assert newest_version() == ScriptDirectory(str(MIGRATIONS)).get_current_head()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a database of today's version."""
    settings = Settings.load(data=tmp_path)
    upgrade(settings)
    return settings


def set_version(settings: Settings, version: str) -> None:
    database = Database(settings.database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    database.engine.dispose()


def test_a_process_starts_on_todays_tables_only(settings: Settings, tmp_path: Path) -> None:
    refuse_unmigrated(settings)
    set_version(settings, "0001")
    with pytest.raises(BadSetting, match="has version 0001, not .*: end Penstock, then run `penstock db upgrade`"):
        refuse_unmigrated(settings)
    with pytest.raises(BadSetting, match="there is no database yet: run `penstock db upgrade`"):
        refuse_unmigrated(Settings.load(data=tmp_path / "other"))
    assert not (tmp_path / "other").exists()
    sqlite3.connect(tmp_path / "empty.db").close()
    with pytest.raises(BadSetting, match="there is no database yet"):
        refuse_unmigrated(Settings.load(database_url=f"sqlite:///{tmp_path}/empty.db"))


def test_a_process_does_not_start_on_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(
        b"no database, but long enough to be taken for the head of one, says SQLite" * 9
    )
    with pytest.raises(BadSetting, match=r"the database cannot be used \(\w+\): the file is damaged: put a back-up"):
        refuse_unmigrated(Settings.load(database_url=f"sqlite:///{tmp_path}/damaged.db"))


def test_of_newer_tables_a_process_warns(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    set_version(settings, "9999")
    refuse_unmigrated(settings)
    assert f"has version 9999, and this Penstock knows none above {newest_version()}" in caplog.text


def test_the_copies_beside_a_newer_database_are_named(settings: Settings, tmp_path: Path) -> None:
    set_version(settings, "9999")
    copy = tmp_path / "penstock.db.0011.bak"
    copy.touch()
    with pytest.raises(BadSetting, match=rf"restore a back-up from before \({copy}\)"):
        upgrade(settings)


def test_a_locked_database_is_said_with_the_remedy(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "penstock.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        # Without the patience of our own connections.
        other = sqlite3.connect(file, timeout=0, isolation_level=None)
        with closing(other), pytest.raises(sqlite3.OperationalError, match="locked") as refused:
            other.execute("BEGIN IMMEDIATE")
    assert remedy_of(refused.value).startswith("another program holds it: end that")


@pytest.mark.parametrize("offset", [0, 100])
def test_a_damaged_file_is_said_with_the_remedy(settings: Settings, tmp_path: Path, offset: int) -> None:
    connect(settings.database).dispose()
    for name in ("penstock.db-wal", "penstock.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    with (tmp_path / "penstock.db").open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 4000)
    with pytest.raises(BadSetting, match="the file is damaged: put a back-up in its place"):
        revisions(settings)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("penstock.db", "PENSTOCK_DATABASE_URL: must be like sqlite:////folder/penstock.db or postgresql://"),
        ("mysql://u:secret@h/d", "PENSTOCK_DATABASE_URL: mysql is not supported: use sqlite:////folder/penstock.db or"),
        ("postgresql://u:secret@127.0.0.1:1/d", "refused.*; start its server, or correct PENSTOCK_DATABASE_URL"),
    ],
)
def test_a_bad_url_is_said_with_the_remedy(url: str, words: str) -> None:
    with pytest.raises(BadSetting, match=words) as refused:
        revisions(Settings.load(database_url=url))
    assert "secret" not in str(refused.value)

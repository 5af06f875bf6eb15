"""A database moves to the other engine and back, whole, in several goes, and into no stranger's."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from jobs.errors import BadSetting
from jobs.job import Status
from jobs.limits import OwnerLimits
from jobs.settings import Settings
from jobs.storage.access.api_keys import ApiKeys
from jobs.storage.access.owner_limits import LimitRegistry
from jobs.storage.attempts import Finish
from jobs.storage.audit import audit
from jobs.storage.database import Database
from jobs.storage.lists.counts import count_differences
from jobs.storage.transfer.copy import claim_target, comparisons, copy_rows, release_target
from jobs.storage.versions.migrate import upgrade
from tests.support.job_factory import OWNER, JobFactory, accepted
from tests.support.pictures import accept_with, png
from tests.support.up import command
from worker.model.chunks import Kind
from worker.writing.section import Section


@pytest.fixture
def new_url(tmp_path: Path, postgresql_database: Database) -> Callable[[str], str]:
    """Gives the URL of a new, empty database of an engine."""
    server = postgresql_database.engine

    def new(engine: str) -> str:
        name = f"copy_{secrets.token_hex(4)}"
        if engine == "sqlite":
            return f"sqlite:///{tmp_path / name}.db"
        with server.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(f"CREATE DATABASE {name}"))
        return server.url.set(database=name).render_as_string(hide_password=False)

    return new


def filled(url: str) -> JobFactory:
    """A database with something in most tables: jobs that wait, run and have ended, a key, a limit."""
    upgrade(Settings.load(database_url=url))
    job_factory = JobFactory(Database(url))
    shared = png()
    for number in range(114):
        job_factory.store.accept(OWNER, accepted(input=f"heron {number}"), idempotency_key=str(number))
    for _ in range(6):
        accept_with(job_factory.store, OWNER, png(), shared)
    for word in ("wading", "\U0001f426 鸟类观察"):
        claim = job_factory.claim()
        writer = job_factory.writer(claim)
        writer.begin()
        Section(writer, 0).write(Kind.TEXT, word)
        writer.close_open_items()
        assert job_factory.finish(claim, Status.INCOMPLETE, writer) is Finish.DONE
    job_factory.claim()
    keys = ApiKeys(job_factory.database)
    keys.create(OWNER)
    LimitRegistry(job_factory.database, OwnerLimits()).change(OWNER, {"jobs_queued": 500})
    return job_factory


@pytest.mark.parametrize(("engine", "other"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_a_copy_has_everything_and_works(new_url: Callable[[str], str], engine: str, other: str) -> None:
    source = filled(new_url(engine))
    url = new_url(other)
    target = JobFactory(Database(url))
    claim_target(target.database, source.database)
    upgrade(Settings.load(database_url=url))
    interrupted = copy_rows(source.database, target.database)
    assert ("jobs", 50) in interrupted  # which reads no further
    del interrupted

    claim_target(target.database, source.database)
    assert dict(copy_rows(source.database, target.database)).items() >= {"jobs": 123, "search_index": 123}.items()
    for table, here, there in comparisons(source.database, target.database):
        assert here == there, table
    release_target(target.database)

    jobs = source.store.lists.page(OWNER, limit=200)
    assert target.store.lists.page(OWNER, limit=200) == jobs
    for question in ("heron 7", "wading", "观察", "nothing"):
        assert target.store.lists.ids(OWNER, words=question) == source.store.lists.ids(OWNER, words=question)
    assert len(target.store.lists.ids(OWNER, words="鸟")) == 1
    assert [differing for _, differing in audit(target.database)] == [[], []]
    assert list(count_differences(target.database)) == []
    assert target.store.lists.counts(OWNER) == source.store.lists.counts(OWNER)
    new = target.store.accept(OWNER, accepted(input="heron anew"))
    assert target.store.lists.ids(OWNER, words="heron", limit=1) == [new.id]
    target.store.delete_all(OWNER, [job.id for job in jobs])
    assert target.store.lists.ids(OWNER, words="heron") == [new.id]
    for job_factory in (source, target):
        job_factory.database.engine.dispose()


def test_the_command_copies_compares_and_refuses_what_is_not_empty(
    new_url: Callable[[str], str], tmp_path: Path
) -> None:
    source_url, url = new_url("postgresql"), new_url("sqlite")
    source = filled(source_url)
    done = command("db", "copy", source_url.replace("+psycopg", ""), url, PENSTOCK_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert "jobs                   123 rows  " in done.stdout
    assert done.stderr.endswith("the copy is whole: name it by PENSTOCK_DATABASE_URL from now on\n")
    copied = Database(url)
    with pytest.raises(BadSetting, match="has tables already: name an empty database"):
        claim_target(copied, source.database)
    backup = command("db", "backup", "x.dump", PENSTOCK_DATA=str(tmp_path), PENSTOCK_DATABASE_URL=source_url)
    assert backup.returncode == 2
    assert "pg_dump --format=custom --file=x.dump " in backup.stderr
    copied.engine.dispose()
    source.database.engine.dispose()


def test_what_is_written_meanwhile_is_noticed_and_another_copy_is_no_target(new_url: Callable[[str], str]) -> None:
    source, url = filled(new_url("sqlite")), new_url("sqlite")
    target = Database(url)
    claim_target(target, source.database)
    upgrade(Settings.load(database_url=url))
    for _table, _rows in copy_rows(source.database, target):
        pass
    with source.database.write() as connection:
        connection.execute(text("UPDATE jobs SET tokens = 1 WHERE id = (SELECT max(id) FROM jobs)"))
    assert {one.table for one in comparisons(source.database, target) if one.source != one.target} == {"jobs"}
    stranger = Database(new_url("sqlite"))
    with pytest.raises(BadSetting, match=r"has an unfinished copy of sqlite:///.*: name an empty database"):
        claim_target(target, stranger)
    for database in (source.database, target, stranger):
        database.engine.dispose()

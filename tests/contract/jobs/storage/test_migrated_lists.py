"""Jobs from before lists had columns of their own are listed like today's, also when the migration was interrupted."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import column, insert, select, table, text

from jobs.errors import BadSetting
from jobs.job import Status
from jobs.settings import Settings
from jobs.storage.database import Database, connect
from jobs.storage.lists.counts import count_differences
from jobs.storage.lists.job_lists import JobLists
from jobs.storage.schema import jobs
from jobs.storage.versions.migrate import revisions, upgrade
from tests.support.job_factory import OWNER, JobFactory, accepted, sqlite
from tests.support.own_database import bring_to, own_settings
from tests.support.stack import wait_for
from tests.support.up import COMMAND, ROOT, clean_environment

NEW = {
    *("outcome", "target_words", "retried_by", "batch_id", "custom_id", "held_at", "root_id"),
    *("changed_metadata", "name", "starred", "labels"),
}
# More than two batches.
JOBS = 50
_STOP = {
    "sqlite": """CREATE TRIGGER stop BEFORE UPDATE ON jobs WHEN NEW.id = '{id}'
        BEGIN SELECT RAISE(ABORT, 'power cut'); END""",
    "postgresql": """CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'power cut'; END $$;
        CREATE TRIGGER stop BEFORE UPDATE ON jobs FOR EACH ROW WHEN (NEW.id = '{id}') EXECUTE FUNCTION stop()""",
}
_GO_ON = {"sqlite": "DROP TRIGGER stop", "postgresql": "DROP TRIGGER stop ON jobs"}
_LOCK = 7
_WAIT = f"""CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock({_LOCK}); RETURN NEW; END $$;
    CREATE TRIGGER wait BEFORE UPDATE ON jobs FOR EACH ROW WHEN (NEW.id = '{{id}}') EXECUTE FUNCTION wait()"""


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Jobs of each kind as they are written today."""
    database = sqlite(tmp_path_factory.mktemp("today"))
    job_factory = JobFactory(database)
    story = accepted(input=None, prompt={"id": "story", "variables": {"topic": "tides", "words": 900}})
    for status in (Status.COMPLETED, Status.FAILED, Status.INCOMPLETE, Status.CANCELLED):
        ending: dict[str, Any] = (
            {"error": {"code": "server_error", "message": "gone"}} if status is Status.FAILED else {}
        )
        for request in (story, accepted(input="a question", metadata={"a": "b"})):
            job_factory.finish(job_factory.claim(job_factory.store.accept(OWNER, request)), status, **ending)
    job_factory.claim(job_factory.store.accept(OWNER, story))
    for _ in range(JOBS - 9):
        job_factory.store.accept(OWNER, story)
    yield database
    database.engine.dispose()


def before(database: Database, today: Database, file: Path) -> Settings:
    """A database of a kind with the same jobs in the version before; of every second ended one it has no title."""
    settings = own_settings(database, file)
    engine = connect(settings.database)
    bring_to(engine, "0010")
    columns = [known.name for known in jobs.c if known.name not in NEW]
    with today.read() as connection:
        rows = [dict(row) for row in connection.execute(select(*(jobs.c[name] for name in columns))).mappings()]
    for number, row in enumerate(rows):
        if row["ended_at"] is None or number % 2:
            row["title"] = None
    with engine.begin() as connection:
        connection.execute(insert(table("jobs", *map(column, columns))), rows)
    engine.dispose()
    return settings


def assert_listed_like(today: Database, settings: Settings) -> None:
    upgraded = Database(settings.database)
    expected, found = JobLists(today), JobLists(upgraded)
    pages = [lists.page_with_requests(OWNER, limit=JOBS) for lists in (expected, found)]
    assert len(pages[0]) == JOBS
    assert pages[1] == pages[0]
    for prompt in (None, "story"):
        assert found.counts(OWNER, prompt=prompt) == expected.counts(OWNER, prompt=prompt)
    assert list(count_differences(upgraded)) == []
    upgraded.engine.dispose()


def id_in_second_batch(settings: Settings) -> str:
    engine = connect(settings.database)
    with engine.connect() as connection:
        job_id: str = connection.execute(text("SELECT id FROM jobs ORDER BY id LIMIT 1 OFFSET 30")).scalar_one()
    engine.dispose()
    return job_id


def migrated(settings: Settings) -> int:
    """How many jobs have the columns of lists, from the first on and no others."""
    engine = connect(settings.database)
    done = "title IS NOT NULL AND (ended_at IS NULL OR outcome IS NOT NULL)"
    with engine.connect() as connection:
        flags = list(connection.execute(text(f"SELECT {done} FROM jobs ORDER BY id")).scalars())
    engine.dispose()
    assert flags == sorted(flags, reverse=True)
    return sum(flags)


def test_an_interrupted_migration_goes_on(database: Database, today: Database, tmp_path: Path) -> None:
    settings = before(database, today, tmp_path / "before.db")
    stop_id = id_in_second_batch(settings)
    engine = connect(settings.database)
    with engine.begin() as connection:
        connection.execute(text(_STOP[engine.name].format(id=stop_id)))
    with pytest.raises(BadSetting, match="power cut"):
        upgrade(settings)
    assert revisions(settings)[0] == "0011"
    assert migrated(settings) == 20
    with engine.begin() as connection:
        connection.execute(text(_GO_ON[engine.name]))
    engine.dispose()
    upgrade(settings)
    assert_listed_like(today, settings)


def test_a_migration_that_is_killed_goes_on(postgresql_database: Database, today: Database) -> None:
    settings = before(postgresql_database, today, Path())
    engine = connect(settings.database)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(_WAIT.format(id=id_in_second_batch(settings))))
        connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
        upgrading = start("db", "upgrade", PENSTOCK_DATABASE_URL=settings.database)
        try:
            wait_for(lambda: revisions(settings)[0] == "0011" and migrated(settings) == 20, 60)
        finally:
            upgrading.kill()
            upgrading.wait()
        connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK})"))
    engine.dispose()
    upgrade(settings)
    assert_listed_like(today, settings)


def start(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """A command that runs beside the test."""
    return subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, env=clean_environment(**environment))

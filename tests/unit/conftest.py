"""One SQLite database and one Redis for the tests of single parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from jobs.transport.event_log import EventLog
from tests.support.job_factory import JobFactory, sqlite
from tests.support.redis_server import RedisServer


@pytest.fixture(scope="session")
def job_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobFactory]:
    """A database that all tests share: each works on rows of its own."""
    job_factory = JobFactory(sqlite(tmp_path_factory.mktemp("database")))
    yield job_factory
    job_factory.database.engine.dispose()


@pytest.fixture
def own_rows(tmp_path: Path) -> Iterator[JobFactory]:
    """A database of a test's own: all that stands in it is the test's."""
    job_factory = JobFactory(sqlite(tmp_path))
    yield job_factory
    job_factory.database.engine.dispose()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that nobody stops."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def log(redis_server: RedisServer) -> Iterator[EventLog]:
    """The event log in it."""
    with redis.Redis.from_url(redis_server.url) as client:
        yield EventLog(client)

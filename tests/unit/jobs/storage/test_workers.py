"""Who is alive: an observer goes by its own clock and by what it has read itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from jobs.settings import Settings
from jobs.storage.workers import LeaseMonitor, WorkerRegistry, declare_dead
from tests.support.job_factory import JobFactory, sqlite
from tests.support.stack import wait_for

LEASE = 0.3


@pytest.fixture
def own_rows(tmp_path: Path) -> Iterator[JobFactory]:
    """A database without the workers of other tests."""
    rows = JobFactory(sqlite(tmp_path))
    yield rows
    rows.database.engine.dispose()


@pytest.fixture
def worker_registry(own_rows: JobFactory) -> WorkerRegistry:
    """With one worker."""
    worker_registry = WorkerRegistry(own_rows.database)
    worker_registry.register("w")
    return worker_registry


def test_a_counter_that_stands_still_for_a_lease_is_death(worker_registry: WorkerRegistry) -> None:
    worker_registry.register("lively")
    observer, began = LeaseMonitor(worker_registry, LEASE), time.monotonic()
    assert wait_for(lambda: worker_registry.beat("lively") and observer.dead("observer")) == ["w"]
    assert time.monotonic() - began >= LEASE
    assert LeaseMonitor(worker_registry, LEASE).dead("observer") == []  # a new one has seen nothing yet
    assert worker_registry.beat("w")  # it only slept
    assert observer.dead("observer") == []


def test_a_failed_read_starts_the_observation_again(worker_registry: WorkerRegistry, own_rows: JobFactory) -> None:
    def rename(before: str, after: str) -> None:
        with own_rows.database.write() as connection:
            connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))

    observer, began = LeaseMonitor(worker_registry, LEASE), time.monotonic()
    assert observer.dead("observer") == []
    rename("workers", "away")
    wait_for(lambda: time.monotonic() > began + LEASE)
    with pytest.raises(OperationalError):
        observer.dead("observer")
    rename("away", "workers")
    back = time.monotonic()
    assert observer.dead("observer") == []
    assert wait_for(lambda: observer.dead("observer")) == ["w"]
    assert time.monotonic() - back >= LEASE


def test_a_worker_without_a_row_is_missed_while_it_has_jobs(
    worker_registry: WorkerRegistry, own_rows: JobFactory
) -> None:
    worker_registry.forget("w")
    claim, observer = own_rows.claim(), LeaseMonitor(worker_registry, LEASE)
    assert observer.dead("observer") == []
    assert wait_for(lambda: observer.dead("observer")) == [claim.job.id]
    own_rows.requeue(claim.job.id)
    assert worker_registry.rows() == []


def test_one_that_was_declared_dead_is_so_at_once_until_it_says_otherwise(
    worker_registry: WorkerRegistry, tmp_path: Path
) -> None:
    observer = LeaseMonitor(worker_registry, 3600)
    declare_dead(Settings.load(data=tmp_path), "w")
    assert observer.dead("observer") == ["w"]
    assert not worker_registry.beat("w")
    worker_registry.register("w")
    assert worker_registry.beat("w")
    assert observer.dead("observer") == []

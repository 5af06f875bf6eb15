"""Who is alive: an observer goes by its own clock and by what it has read itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from jobs.storage.workers import Liveness, Observer, declare_dead
from jobs.settings import Settings
from tests.support.job_factory import Rows, sqlite
from tests.support.stack import wait_for

LEASE = 0.3


@pytest.fixture
def own_rows(tmp_path: Path) -> Iterator[Rows]:
    """A database without the workers of other tests."""
    rows = Rows(sqlite(tmp_path))
    yield rows
    rows.database.engine.dispose()


@pytest.fixture
def liveness(own_rows: Rows) -> Liveness:
    """With one worker."""
    liveness = Liveness(own_rows.database)
    liveness.register("w")
    return liveness


def test_a_counter_that_stands_still_for_a_lease_is_death(liveness: Liveness) -> None:
    liveness.register("lively")
    observer, began = Observer(liveness, LEASE), time.monotonic()
    assert wait_for(lambda: liveness.beat("lively") and observer.dead("observer")) == ["w"]
    assert time.monotonic() - began >= LEASE
    assert Observer(liveness, LEASE).dead("observer") == []  # a new one has seen nothing yet
    assert liveness.beat("w")  # it only slept
    assert observer.dead("observer") == []


def test_a_failed_read_starts_the_observation_again(liveness: Liveness, own_rows: Rows) -> None:
    def rename(before: str, after: str) -> None:
        with own_rows.database.write() as connection:
            connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))

    observer, began = Observer(liveness, LEASE), time.monotonic()
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


def test_a_worker_without_a_row_is_missed_while_it_has_jobs(liveness: Liveness, own_rows: Rows) -> None:
    liveness.forget("w")
    claim, observer = own_rows.claim(), Observer(liveness, LEASE)
    assert observer.dead("observer") == []
    assert wait_for(lambda: observer.dead("observer")) == [claim.job.id]
    own_rows.requeue(claim.job.id)
    assert liveness.rows() == []


def test_one_that_was_declared_dead_is_so_at_once_until_it_says_otherwise(liveness: Liveness, tmp_path: Path) -> None:
    observer = Observer(liveness, 3600)
    declare_dead(Settings.load(data=tmp_path), "w")
    assert observer.dead("observer") == ["w"]
    assert not liveness.beat("w")
    liveness.register("w")
    assert liveness.beat("w")
    assert observer.dead("observer") == []

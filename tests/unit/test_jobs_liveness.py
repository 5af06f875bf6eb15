"""Who is alive: an observer goes by its own clock and by what it has read itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from jobs.liveness import Liveness, Observer, declare_dead
from jobs.settings import Settings
from tests.support.rows import Rows, sqlite
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
    return Liveness(own_rows.database)


def test_a_counter_that_stands_still_for_a_lease_is_death(liveness: Liveness) -> None:
    liveness.register("w1")
    liveness.register("w2")
    observer, began = Observer(liveness, LEASE), time.monotonic()

    def look() -> list[str]:
        assert liveness.beat("w2")
        return observer.dead()

    assert wait_for(look) == ["w1"]
    assert time.monotonic() - began >= LEASE
    assert liveness.beat("w1")  # it only slept
    assert observer.dead() == []


def test_an_observer_knows_only_what_it_has_seen_itself(liveness: Liveness) -> None:
    liveness.register("w")
    first = Observer(liveness, LEASE)
    wait_for(first.dead)
    assert Observer(liveness, LEASE).dead() == []


def test_a_failed_read_starts_the_observation_again(liveness: Liveness, own_rows: Rows) -> None:
    def rename(before: str, after: str) -> None:
        with own_rows.database.write() as connection:
            connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))

    liveness.register("w")
    observer, began = Observer(liveness, LEASE), time.monotonic()
    assert observer.dead() == []
    rename("workers", "away")
    wait_for(lambda: time.monotonic() > began + LEASE)
    with pytest.raises(OperationalError):
        observer.dead()
    rename("away", "workers")
    back = time.monotonic()
    assert observer.dead() == []
    assert wait_for(observer.dead) == ["w"]
    assert time.monotonic() - back >= LEASE


def test_a_worker_without_a_row_is_missed_while_it_has_jobs(liveness: Liveness, own_rows: Rows) -> None:
    claim = own_rows.claim()
    observer = Observer(liveness, LEASE)
    assert observer.dead() == []
    assert wait_for(observer.dead) == [claim.job.id]
    own_rows.requeue(claim.job.id)
    assert liveness.rows() == []


def test_one_that_was_declared_dead_is_so_at_once_until_it_says_otherwise(liveness: Liveness, tmp_path: Path) -> None:
    liveness.register("w")
    observer = Observer(liveness, 3600)
    declare_dead(Settings(data=tmp_path), "w")
    assert observer.dead() == ["w"]
    assert not liveness.beat("w")
    liveness.register("w")
    assert liveness.beat("w")
    assert observer.dead() == []
    liveness.forget("w")
    assert not liveness.beat("w")
    assert liveness.rows() == []

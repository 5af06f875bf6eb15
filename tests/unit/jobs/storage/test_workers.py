"""Who is alive: an observer goes by its own clock and by what it has read itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from jobs.job import Status
from jobs.settings import Settings
from jobs.storage.workers import DeadWorker, LeaseMonitor, WorkerRegistry, declare_dead
from tests.support.job_factory import JobFactory

LEASE = 15


@pytest.fixture
def worker_registry(own_rows: JobFactory) -> WorkerRegistry:
    """With one worker."""
    worker_registry = WorkerRegistry(own_rows.database)
    worker_registry.register("w")
    return worker_registry


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def observer(worker_registry: WorkerRegistry, clock: Clock) -> LeaseMonitor:
    """Another worker's view of the one."""
    return LeaseMonitor(worker_registry, LEASE, clock)


def watch(observer: LeaseMonitor, clock: Clock, seconds: float) -> list[DeadWorker]:
    """Whom the observer finds dead while it looks every second."""
    dead: list[DeadWorker] = []
    for _ in range(int(seconds)):
        clock.tick(1)
        dead = observer.dead("observer")
        if dead:
            break
    return dead


def test_a_counter_that_stands_still_for_a_lease_is_death(
    worker_registry: WorkerRegistry, observer: LeaseMonitor, clock: Clock
) -> None:
    worker_registry.register("lively")
    began = clock.now
    while not (dead := watch(observer, clock, 1)):
        worker_registry.beat("lively")
    assert dead == [DeadWorker("w", 0)]
    assert clock.now - began == LEASE + 1  # seen first after a second
    assert LeaseMonitor(worker_registry, LEASE, clock).dead("observer") == []  # a new one has seen nothing yet
    assert worker_registry.beat("w")  # it only slept
    assert observer.dead("observer") == []


def test_a_failed_read_starts_the_observation_again(
    worker_registry: WorkerRegistry, own_rows: JobFactory, observer: LeaseMonitor, clock: Clock
) -> None:
    def rename(before: str, after: str) -> None:
        with own_rows.database.write() as connection:
            connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))

    assert watch(observer, clock, LEASE) == []
    rename("workers", "away")
    with pytest.raises(OperationalError):
        observer.dead("observer")
    rename("away", "workers")
    assert watch(observer, clock, LEASE) == []
    assert watch(observer, clock, 1) == [DeadWorker("w", 0)]


def test_a_read_that_hangs_and_then_finds_old_counters_kills_nobody(
    worker_registry: WorkerRegistry, clock: Clock
) -> None:
    class Hanging:
        hangs = False

        def rows(self) -> Sequence[tuple[str, int, bool]]:
            clock.tick(20 if self.hangs else 0)
            return worker_registry.rows()

    counters = Hanging()
    observer = LeaseMonitor(counters, LEASE, clock)
    assert watch(observer, clock, LEASE - 1) == []
    counters.hangs = True
    assert observer.dead("observer") == []
    counters.hangs = False
    assert watch(observer, clock, LEASE - 1) == []
    assert watch(observer, clock, 2) == [DeadWorker("w", 0)]


def test_workers_that_were_frozen_together_do_not_bury_each_other(
    worker_registry: WorkerRegistry, observer: LeaseMonitor, clock: Clock
) -> None:
    worker_registry.register("observer")
    watch(observer, clock, 3)
    clock.tick(60)  # both: the observer did not look, the other one did not beat
    assert observer.dead("observer") == []
    worker_registry.beat("observer")
    assert watch(observer, clock, 3) == []
    worker_registry.beat("w")
    assert watch(observer, clock, 3) == []


def test_an_observer_that_cannot_write_its_own_counter_kills_nobody(
    worker_registry: WorkerRegistry, observer: LeaseMonitor, clock: Clock
) -> None:
    worker_registry.register("observer")
    assert watch(observer, clock, 5 * LEASE) == []


def test_a_verdict_does_not_reach_who_has_given_a_sign_of_life_since(
    worker_registry: WorkerRegistry, own_rows: JobFactory, observer: LeaseMonitor, clock: Clock
) -> None:
    before = own_rows.accept()
    assert own_rows.attempts.claim_one(before.id, "w")
    (verdict,) = watch(observer, clock, 2 * LEASE)
    thawed = own_rows.accept()
    assert own_rows.attempts.claim_one(thawed.id, "w")  # before its first beat: the claim itself is a sign of life
    assert own_rows.attempts.requeue_orphans(*verdict) == 0
    worker_registry.forget(*verdict)
    assert worker_registry.beat("w")
    assert [own_rows.get(job.id).status for job in (before, thawed)] == [Status.IN_PROGRESS] * 2
    (verdict,) = watch(observer, clock, 2 * LEASE)
    assert own_rows.attempts.requeue_orphans(*verdict) == 2


def test_a_worker_without_a_row_is_missed_while_it_has_jobs(
    worker_registry: WorkerRegistry, own_rows: JobFactory, observer: LeaseMonitor, clock: Clock
) -> None:
    worker_registry.forget("w")
    claim = own_rows.claim()
    assert watch(observer, clock, 2 * LEASE) == [DeadWorker(claim.job.id, -1)]
    own_rows.requeue(claim.job.id)
    assert worker_registry.rows() == []


def test_one_that_was_declared_dead_is_so_at_once_until_it_says_otherwise(
    worker_registry: WorkerRegistry, own_rows: JobFactory, observer: LeaseMonitor, tmp_path: Path
) -> None:
    declare_dead(Settings.load(data=tmp_path), "w")
    assert observer.dead("observer") == [DeadWorker("w", 0)]
    assert not worker_registry.beat("w")
    job = own_rows.accept()
    assert own_rows.attempts.claim_one(job.id, "w") is None
    assert own_rows.attempts.claim("w") is None
    worker_registry.register("w")
    assert worker_registry.beat("w")
    assert observer.dead("observer") == []
    assert own_rows.attempts.claim("w") is not None

"""Schedules in the database: a run is one job, whoever makes it and however often; missed ones are one."""

from __future__ import annotations

import secrets
import time
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import RowMapping, select, update

from jobs.errors import InvalidRequest, NotFound
from jobs.job import Status
from jobs.limits import OwnerLimits
from jobs.settings import Settings
from jobs.storage.access.owner_limits import LimitRegistry
from jobs.storage.lists.owned_rows import PageOf
from jobs.storage.schedules import schedules as storing
from jobs.storage.schedules.schedules import BY_FAILURES, BY_OWNER, MOST_FAILURES, Schedules
from jobs.storage.schedules.tables import schedules as table
from jobs.storage.schema import jobs
from jobs.storage.store import Store
from tests.support.job_factory import JobFactory
from worker.schedules.schedule_keeper import ScheduleKeeper


class ScheduleOwner:
    """An owner of the test's own, with a schedule, and workers' keepers of schedules."""

    def __init__(self, factory: JobFactory, request: dict[str, Any] | None = None) -> None:
        self.owner = f"owner-{secrets.token_hex(8)}"
        self.factory = factory
        self.schedules = Schedules(factory.database)
        values = {"name": "News", "cron": "0 9 * * *", "timezone": "UTC", "model": "demo"}
        self.id = self.schedules.create(self.owner, values, request or {"input": "news of {date}"})["id"]

    def keeper(self, **limits: int) -> ScheduleKeeper:
        registry = LimitRegistry(self.factory.database, OwnerLimits(**limits))
        return ScheduleKeeper(self.factory.database, Settings.load(), registry)

    def row(self) -> RowMapping:
        return self.schedules.get(self.owner, self.id)

    def make_due(self, days: float = 3) -> RowMapping:
        """The schedule, as if nobody had looked at it for so many days."""
        with self.factory.database.write() as connection:
            then = time.time() - days * 86_400
            connection.execute(update(table).where(table.c.id == self.id).values(due_at=then))
        return self.row()

    def jobs(self) -> list[str]:
        query = select(jobs.c.id).where(jobs.c.owner == self.owner).order_by(jobs.c.created_at)
        with self.factory.database.read() as connection:
            return list(connection.execute(query).scalars())

    def end_last(self, status: Status) -> None:
        """The last run's job ends, and that is counted."""
        claim = self.factory.attempts.claim_one(self.jobs()[-1], secrets.token_hex(4))
        assert claim is not None
        self.factory.finish(claim, status)
        for _ in range(20):  # other tests' schedules may come first
            self.schedules.count_ends()
        assert self.row()["counted"]


def test_what_was_missed_is_one_run(job_factory: JobFactory) -> None:
    owner = ScheduleOwner(job_factory)
    assert owner.id not in [row["id"] for row in owner.schedules.due()]
    row = owner.make_due(days=3.5)
    owner.keeper().run(row)
    (job,) = owner.jobs()
    after = owner.row()
    assert after["job_id"] == job
    assert time.time() < after["due_at"] <= time.time() + 86_400
    day = time.strftime("%Y-%m-%d", time.gmtime(row["due_at"]))
    assert Store(job_factory.database).get(owner.owner, job).request.input[0]["content"] == f"news of {day}"


def test_two_workers_and_one_that_died_midway_make_one_job(job_factory: JobFactory) -> None:
    owner = ScheduleOwner(job_factory)
    row = owner.make_due()
    threads = [Thread(target=owner.keeper().run, args=[row]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(owner.jobs()) == 1
    # A worker that is killed between the job and the next time: another finds the schedule as it was.
    with job_factory.database.write() as connection:
        connection.execute(update(table).where(table.c.id == owner.id).values(due_at=row["due_at"], job_id=None))
    owner.keeper().run(owner.row())
    assert owner.row()["job_id"] == owner.jobs()[0]
    assert len(owner.jobs()) == 1


def test_failures_in_a_row_pause_it_and_say_so(job_factory: JobFactory) -> None:
    owner = ScheduleOwner(job_factory)
    for day, status in enumerate((Status.FAILED, Status.COMPLETED, *[Status.FAILED] * MOST_FAILURES), 1):
        assert owner.row()["paused"] is None
        owner.keeper().run(owner.make_due(day))
        owner.end_last(status)
    assert (owner.row()["paused"], owner.row()["failures"]) == (BY_FAILURES, MOST_FAILURES)
    owner.make_due()
    assert owner.id not in [row["id"] for row in owner.schedules.due()]
    resumed = owner.schedules.resume(owner.owner, owner.id)
    assert (resumed["paused"], resumed["failures"]) == (None, 0)
    assert resumed["due_at"] > time.time()


def test_a_request_that_cannot_be_run_is_a_failure_with_its_reason(job_factory: JobFactory) -> None:
    owner = ScheduleOwner(job_factory, {"prompt": {"id": "gone", "variables": {}}})
    for _ in range(MOST_FAILURES):
        owner.keeper().run(owner.make_due())
    row = owner.row()
    assert row["paused"] == BY_FAILURES
    assert "gone" in row["problem"]
    assert owner.jobs() == []


def test_an_owner_with_too_many_jobs_runs_later(job_factory: JobFactory) -> None:
    owner = ScheduleOwner(job_factory)
    owner.keeper().run(owner.make_due())
    row = owner.make_due(days=1)
    owner.keeper(jobs_queued=1).run(row)
    assert owner.row()["due_at"] == row["due_at"]
    assert len(owner.jobs()) == 1


def test_those_that_cannot_be_run_yet_keep_no_other_waiting(
    job_factory: JobFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "_ROWS_AT_ONCE", 2)
    owners = [ScheduleOwner(job_factory) for _ in range(5)]
    for days, owner in enumerate(owners, 1):
        owner.make_due(days)
    due = [row["id"] for row in owners[0].schedules.due()]
    assert [each for each in due if each in {owner.id for owner in owners}] == [owner.id for owner in owners[::-1]]


def test_another_owner_has_none_of_it(job_factory: JobFactory) -> None:
    owner, other = ScheduleOwner(job_factory), ScheduleOwner(job_factory)
    with pytest.raises(NotFound):
        owner.schedules.get(owner.owner, other.id)
    for change in (owner.schedules.pause, owner.schedules.resume, owner.schedules.delete):
        with pytest.raises(NotFound):
            change(owner.owner, other.id)
    assert [row["id"] for row in owner.schedules.page(owner.owner, PageOf(10))] == [owner.id]


def test_pausing_deleting_and_how_many_there_may_be(job_factory: JobFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = ScheduleOwner(job_factory)
    assert owner.schedules.pause(owner.owner, owner.id)["paused"] == BY_OWNER
    monkeypatch.setattr(storing, "MOST_SCHEDULES", 1)
    with pytest.raises(InvalidRequest, match="as many as may be"):
        owner.schedules.create(owner.owner, dict(owner.row()), {})
    owner.schedules.delete(owner.owner, owner.id)
    assert owner.schedules.page(owner.owner, PageOf(10)) == []

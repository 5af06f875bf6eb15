"""Why a job waits, by what the database says."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from jobs.job import Job
from jobs.limits import OwnerLimits
from jobs.settings import Settings
from jobs.status.details import StatusDetails
from jobs.storage.access.owner_limits import LimitRegistry
from jobs.storage.queue.places import MOST
from jobs.storage.schema import jobs
from jobs.storage.statistics import Statistics
from jobs.storage.workers import WorkerRegistry
from tests.support.job_factory import OWNER, JobFactory, accepted
from tests.support.long_queue import lengthen
from tests.support.stack import wait_for
from web.live.job_state import JobState
from web.live.outlook import Outlook
from web.worker_health import WorkerHealth

NO_LIMITS = OwnerLimits()


@pytest.fixture
def job_factory(own_rows: JobFactory) -> JobFactory:
    return own_rows


@pytest.fixture
def worker(job_factory: JobFactory) -> WorkerRegistry:
    """The registry, in which one worker lives."""
    registry = WorkerRegistry(job_factory.database)
    registry.register("one")
    return registry


def details(job_factory: JobFactory, job: Job, limits: OwnerLimits = NO_LIMITS, **settings: Any) -> StatusDetails:
    """What a process that has just begun says of the job."""
    return JobState.of(outlook_of(job_factory, limits, **settings), job_factory.get(job.id)).details


def outlook_of(job_factory: JobFactory, limits: OwnerLimits = NO_LIMITS, **settings: Any) -> Outlook:
    database = job_factory.database
    known = Settings.load(**settings)
    return Outlook(database, known, LimitRegistry(database, limits), WorkerHealth(database, 15))


def note(job_factory: JobFactory, job: Job, **columns: Any) -> None:
    with job_factory.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(columns))


def test_without_a_worker_nothing_is_begun(job_factory: JobFactory) -> None:
    job = job_factory.accept()
    assert details(job_factory, job) == StatusDetails("no_worker")


def test_a_worker_that_gives_no_sign_of_life_writes_nothing(job_factory: JobFactory, worker: WorkerRegistry) -> None:
    queued, running = job_factory.accept(), job_factory.claim().job
    worker.declare_dead("one")
    for job in (queued, running):
        found = details(job_factory, job)
        assert (found.code, set(found.values)) == ("worker_frozen", {"silent_seconds"})


def test_the_place_in_the_queue_and_of_how_many(job_factory: JobFactory, worker: WorkerRegistry) -> None:
    first, second = job_factory.accept(), job_factory.accept()
    assert details(job_factory, first) == StatusDetails("in_queue", {"place": 1, "total": 2})
    assert details(job_factory, second) == StatusDetails("in_queue", {"place": 2, "total": 2})


def test_the_place_in_the_queue_is_that_of_the_claims(job_factory: JobFactory, worker: WorkerRegistry) -> None:
    for _ in range(3):
        job_factory.accept()
    other = job_factory.store.accept("another", accepted())
    outlook = outlook_of(job_factory)
    assert outlook.of(other) == StatusDetails("in_queue", {"place": 2, "total": 4})  # the owners take turns
    assert outlook.place(other)["queue_position"] == 1
    assert outlook.place(other)["oldest_wait_seconds"] >= 0


def test_a_job_that_has_just_come_has_a_place_as_well(job_factory: JobFactory, worker: WorkerRegistry) -> None:
    outlook = outlook_of(job_factory)
    assert outlook.place(job_factory.accept())["queue_position"] == 0
    newest = job_factory.accept()
    if "queue_position" not in outlook.place(newest):  # the queue was looked at in this very moment
        wait_for(lambda: "queue_position" in outlook.place(newest))
    assert outlook.place(newest)["queue_position"] == 1


def test_behind_more_than_are_counted_there_is_no_place(job_factory: JobFactory, worker: WorkerRegistry) -> None:
    first = job_factory.accept()
    lengthen(job_factory.database, first, MOST)
    last = job_factory.store.lists.page(OWNER, limit=1)[0]
    outlook = outlook_of(job_factory)
    assert outlook.of(first) == StatusDetails("in_queue", {"place": 1})
    assert outlook.of(last) == StatusDetails("in_long_queue", {"before": MOST})
    assert outlook.place(last)["queue_position"] == MOST


def test_when_it_begins_is_told_from_the_pace(job_factory: JobFactory, worker: WorkerRegistry) -> None:
    ended = [job_factory.claim() for _ in range(3)]
    for claim in ended:
        job_factory.finish(claim)
    job = job_factory.accept()
    assert "eta_seconds" not in details(job_factory, job).values  # it may be begun at once
    note(job_factory, job, created_at=job.created_at - 60)
    for claim in ended:
        note(job_factory, claim.job, ended_at=job.created_at - 300)
    eta = details(job_factory, job).values["eta_seconds"]
    assert 100 <= eta < 200  # three in 300 s and what this test has taken
    note(job_factory, ended[0].job, ended_at=job.created_at - 5000)
    assert "eta_seconds" not in details(job_factory, job).values  # two are no basis


def test_what_holds_a_job_back_is_said(job_factory: JobFactory, worker: WorkerRegistry) -> None:
    job = job_factory.accept()
    job_factory.claim()
    model = job.request.model
    busy = details(job_factory, job, model_concurrency=1)
    assert busy == StatusDetails("model_busy", {"model": model, "n": 1})
    assert details(job_factory, job, model_concurrency=2).code == "in_queue"
    assert details(job_factory, job, OwnerLimits(jobs_running=1)) == StatusDetails("owner_busy", {"n": 1})
    Statistics(job_factory.database).pause("default")
    assert details(job_factory, job) == StatusDetails("queue_paused", {"queue": "default"})
    job_factory.store.request_cancel(OWNER, job_factory.claim(job).job.id)
    assert details(job_factory, job).code == "stopping"


def test_a_wait_for_the_model_is_told_as_the_worker_noted_it(job_factory: JobFactory, worker: WorkerRegistry) -> None:
    job = job_factory.claim().job
    assert details(job_factory, job) == StatusDetails("in_progress")
    wait = '{"reason": "429", "code": "rate_limited", "try": 2, "tries": 3, "until": 9e9}'
    note(job_factory, job, progress=f'{{"done": 0, "total": 1, "words": 0, "curve": null, "waiting": {wait}}}')
    found = details(job_factory, job)
    assert (found.code, found.values["try_number"], found.values["tries"]) == ("rate_limited", 2, 3)

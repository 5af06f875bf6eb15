"""What a page about the whole system asks, on SQLite and PostgreSQL; queues that are paused."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from itertools import count

import pytest
from sqlalchemy import update

from jobs.errors import InvalidRequest
from jobs.job import Job, Status
from jobs.protocol.response import SERVER_ERROR
from jobs.requests.job_request import FLEX
from jobs.storage.schema import jobs
from jobs.storage.statistics import Minute, Statistics
from jobs.storage.workers import WorkerRegistry
from jobs.transport.queue import Queue
from tests.support.assertions import follow, row_of
from tests.support.job_factory import OWNER, JobFactory, accepted
from tests.support.stack import Stack, wait_for
from tests.support.wire import create

# Hours of long ago, one for each test: the database is shared.
HOURS = count(10**9 - 10**9 % 3600, 3600)


@pytest.fixture
def census(job_factory: JobFactory) -> Iterator[Statistics]:
    """The census of a database in which nothing else waits, and in the end nothing is paused."""
    found = Statistics(job_factory.database)
    while job_factory.attempts.claim("bystander"):
        pass
    yield found
    for queue in found.queues():
        found.resume(queue.name)


def queue(job_factory: JobFactory, tier: str) -> Job:
    return job_factory.store.accept(OWNER, accepted(service_tier=tier))


def put(job_factory: JobFactory, job_id: str, **values: object) -> None:
    with job_factory.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))


def test_queues_tell_how_many_wait_and_since_when(job_factory: JobFactory, census: Statistics) -> None:
    before = census.queues()
    assert [(one.name, one.depth, one.oldest_at) for one in before] == [("default", 0, None), ("flex", 0, None)]
    waiting, _ = queue(job_factory, FLEX), queue(job_factory, FLEX)
    job_factory.claim(queue(job_factory, "default"))
    default, flex = census.queues()
    assert default == before[0]._replace(running=before[0].running + 1)
    assert flex == before[1]._replace(depth=2, oldest_at=waiting.created_at)


def test_workers_tell_when_they_beat_and_what_they_run(job_factory: JobFactory, census: Statistics) -> None:
    worker_registry, began = WorkerRegistry(job_factory.database), time.time()
    idle, busy = (f"w-{secrets.token_hex(4)}" for _ in range(2))
    for worker in (idle, busy):
        worker_registry.register(worker)
    held = [job_factory.accept().id for _ in range(2)]
    for job in held:
        assert job_factory.attempts.claim_one(job, busy)
    first = {worker.id: worker for worker in census.workers()}
    assert (first[idle].jobs, first[busy].jobs) == ([], held)
    assert began <= first[idle].started_at == first[idle].beaten_at
    worker_registry.beat(idle)
    (again,) = [worker for worker in census.workers() if worker.id == idle]
    assert again.beaten_at is not None
    assert again.started_at < again.beaten_at <= time.time()


def test_the_last_hour_is_told_by_minutes(job_factory: JobFactory, census: Statistics) -> None:
    hour = next(HOURS)
    assert census.minutes(hour + 3599.9) == [Minute(hour + 60 * number) for number in range(60)]
    ends = [(Status.COMPLETED, 7), (Status.COMPLETED, None), (Status.FAILED, 3), (Status.CANCELLED, 1)]
    for status, tokens in [*ends, (Status.INCOMPLETE, 2)]:
        claim = job_factory.claim()
        job_factory.finish(claim, status)
        put(job_factory, claim.job.id, created_at=hour + 59.9, ended_at=hour + 3540.1, tokens=tokens)
    for moment in (hour - 0.1, hour + 3600):
        put(job_factory, job_factory.accept().id, created_at=moment, ended_at=moment, status=Status.COMPLETED)
    first, *middle, last = census.minutes(hour + 3540.2)
    assert first == Minute(hour, accepted=5)
    assert last == Minute(hour + 3540, completed=2, failed=1, other=2, tokens=13)
    assert middle == [Minute(hour + 60 * number) for number in range(1, 59)]


def test_failures_are_told_by_their_codes(job_factory: JobFactory, census: Statistics) -> None:
    before, now = census.failures(0), time.time()
    claim = job_factory.claim()
    job_factory.finish(claim, Status.FAILED)
    put(job_factory, claim.job.id, error=SERVER_ERROR)
    job_factory.finish(job_factory.claim(), Status.FAILED)  # as one of an older version, without a code
    after = census.failures(0)
    added = {code: after[code] - before.get(code, 0) for code in after}
    assert {code: more for code, more in added.items() if more} == {SERVER_ERROR: 1, "unknown": 1}
    assert census.failures(now) == {SERVER_ERROR: 1, "unknown": 1}
    assert census.failures(time.time()) == {}


def test_a_paused_queue_is_not_claimed(job_factory: JobFactory, census: Statistics) -> None:
    census.pause(FLEX)
    (since,) = [one.paused_since for one in census.queues() if one.name == FLEX]
    assert since is not None
    census.pause(FLEX)
    default, flex = census.queues()
    assert (default.paused_since, flex.paused_since) == (None, since)
    waiting, other = queue(job_factory, FLEX), queue(job_factory, "default")
    claims = [job_factory.attempts.claim("w"), job_factory.attempts.claim("w")]
    assert [claim and claim.job.id for claim in claims] == [other.id, None]
    for _ in range(2):
        census.resume(FLEX)
    claim = job_factory.attempts.claim("w")
    assert claim is not None
    assert claim.job.id == waiting.id


@pytest.mark.parametrize("act", ["pause", "resume"])
def test_a_queue_that_there_is_not_is_named(census: Statistics, act: str) -> None:
    with pytest.raises(InvalidRequest, match="no queue 'fast'; there are default, flex") as caught:
        getattr(census, act)("fast")
    assert caught.value.param == "queue"


def test_workers_leave_a_paused_queue_alone_until_it_is_resumed(own_stack: Stack) -> None:
    census, client = Statistics(own_stack.database), own_stack.client()
    census.pause(FLEX)
    waiting = [create(own_stack.url, input=f"w{number} [[demo tokens=3]]", service_tier=FLEX) for number in range(3)]
    messages = Queue(own_stack.settings)
    for job in waiting:
        messages.wake(job["id"])
    messages.app.close()
    # All wake-ups have been taken, and the other queue goes on.
    wait_for(lambda: not own_stack.redis.llen("penstock:celery:penstock"))
    assert client.responses.create(input="not paused [[demo tokens=3]]").status == "completed"
    assert [row_of(own_stack.database, job["id"]).status for job in waiting] == [Status.QUEUED] * 3
    assert [one.depth for one in census.queues()] == [0, 3]
    census.resume(FLEX)
    for job in waiting:
        assert follow(client, job["id"])[-1].response.status == "completed"

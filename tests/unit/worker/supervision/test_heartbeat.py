"""What a worker does about jobs that are its own by their rows and that it does not run, and how it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.job import Status
from jobs.settings import Settings
from jobs.transport.queue import Queue
from tests.support.job_factory import JobFactory
from worker.context import WorkerContext
from worker.supervision.heartbeat import STRAY_SECONDS, Heartbeat


@pytest.fixture
def context(own_rows: JobFactory, tmp_path: Path) -> Iterator[WorkerContext]:
    """The parts of a worker of which nothing runs."""
    settings = Settings.load(data=tmp_path, openai_base_url="http://127.0.0.1:9/v1")
    context = WorkerContext(settings, Queue(settings))
    yield context
    context.attempts._database.engine.dispose()


def test_a_claim_that_is_slow_to_arrive_is_no_stray_however_often_it_is_looked_for(
    own_rows: JobFactory, context: WorkerContext
) -> None:
    """Each cancel of anybody makes every worker look."""
    heartbeat = Heartbeat(context)
    job = own_rows.accept()
    assert context.attempts.claim_one(job.id, context.worker)
    for number in range(100):
        heartbeat.look_at_jobs(1000.0 + number / 100)
    heartbeat.look_at_jobs(1000.0 + 600)  # the whole process was frozen
    assert (own_rows.get(job.id).status, own_rows.get(job.id).rescues) == (Status.IN_PROGRESS, 0)


def test_a_claim_that_was_never_heard_of_is_given_up_after_some_seconds(
    own_rows: JobFactory, context: WorkerContext
) -> None:
    heartbeat = Heartbeat(context)
    job = own_rows.accept()
    assert context.attempts.claim_one(job.id, context.worker)
    for number in range(int(STRAY_SECONDS) + 1):
        assert own_rows.get(job.id).status is Status.IN_PROGRESS
        heartbeat.look_at_jobs(1000.0 + number)
    assert (own_rows.get(job.id).status, own_rows.get(job.id).rescues) == (Status.QUEUED, 1)


def test_no_beat_opens_the_row_of_a_worker_that_has_left(context: WorkerContext) -> None:
    context.worker_registry.register(context.worker)
    heartbeat = Heartbeat(context)
    heartbeat._beaten_at = float("-inf")
    heartbeat.close()
    heartbeat._beat()
    assert context.worker not in [row[0] for row in context.worker_registry.rows()]

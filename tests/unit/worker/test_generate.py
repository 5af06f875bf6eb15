"""One attempt in this process, with a real Redis, a real database and the scripted model: whatever stops it, once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from jobs.job import Job, Status
from jobs.protocol.fold import text_of
from jobs.storage import database
from jobs.storage.attempts import Checkpoint, Replaced
from jobs.storage.schema import jobs
from tests.support.job_factory import OWNER
from tests.support.local_worker import LocalWorker
from tests.support.redis_server import RedisServer
from tests.support.stack import DemoModel, wait_for
from worker.attempt_state import Phase, Reason
from worker.generate import generate
from worker.model.cancellation import Cancellation, Stopped
from worker.model.chunks import Kind
from worker.writing import leaving, resume
from worker.writing.attempt_context import AttemptContext
from worker.writing.ending import end
from worker.writing.outcome import Outcome
from worker.writing.persist import persist
from worker.writing.section import Section


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoModel]:
    model = DemoModel(tmp_path_factory.mktemp("model"))
    yield model
    model.close()


@pytest.fixture
def worker(tmp_path: Path, model: DemoModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalWorker]:
    monkeypatch.setattr(leaving, "_GIVE_UP_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(resume, "PATIENCE_SECONDS", 0.5)
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as server:
        worker = LocalWorker(tmp_path, server, model)
        yield worker
        worker.close()


def test_a_job_runs_to_its_end(worker: LocalWorker) -> None:
    job = worker.accept("an ordinary one [[demo tokens=20]]")
    generate(worker.claim(job), worker.context)
    response = worker.stored(job)
    assert (response["status"], worker.job_factory.get(job.id).attempt) == ("completed", 1)
    assert text_of(response)


@pytest.mark.parametrize("noticed", ["before the claim", "during the wait"])
def test_a_cancel_while_redis_is_away_ends_the_job(worker: LocalWorker, noticed: str) -> None:
    job = worker.accept()
    worker.job_factory.claim(job)
    worker.job_factory.requeue(job.id)
    worker.server.kill()
    if noticed == "before the claim":
        worker.job_factory.store.request_cancel(OWNER, job.id)
    claim = worker.claim(job)
    thread = threading.Thread(target=generate, args=[claim, worker.context])
    thread.start()
    if noticed == "during the wait":
        worker.job_factory.store.request_cancel(OWNER, job.id)
        wait_for(lambda: len(worker.context.running))
        worker.context.running.stop_unwanted(lambda: worker.context.attempts.held(worker.context.worker))
    thread.join(30)
    row = worker.job_factory.get(job.id)
    assert (row.status, row.attempt) == (Status.CANCELLED, 2)
    worker.server.start()


def test_a_job_that_was_deleted_before_its_first_event_leaves_nothing_in_redis(worker: LocalWorker) -> None:
    job = worker.accept("deleted [[demo tokens=20]]")
    claim = worker.claim(job)
    worker.job_factory.store.delete(OWNER, job.id)  # the worker is frozen meanwhile
    worker.context.log.delete(job.id)
    generate(claim, worker.context)
    assert worker.keys(job) == []
    assert worker.model.stats("deleted") == {}


def test_a_job_that_was_deleted_while_it_ran_leaves_nothing_in_redis(worker: LocalWorker) -> None:
    job = worker.accept("deleted later [[demo tokens=2000 rate=100]]")
    thread = threading.Thread(target=generate, args=[worker.claim(job), worker.context])
    thread.start()
    wait_for(lambda: worker.context.log.tails([job.id])[0] > 10)
    worker.job_factory.store.delete(OWNER, job.id)
    worker.context.log.delete(job.id)
    thread.join(30)
    assert worker.keys(job) == []


def begun(worker: LocalWorker, job: Job) -> tuple[AttemptContext, Section]:
    """An attempt that has written half an answer."""
    writer = worker.job_factory.writer(worker.claim(job))
    writer.begin()
    section = Section(writer, 0)
    section.write(Kind.TEXT, "half an answer")
    return AttemptContext(writer, Cancellation(), worker.context, {}), section


def test_an_end_that_cannot_be_stored_is_ended_once_with_the_text_so_far(worker: LocalWorker) -> None:
    job = worker.accept()
    attempt, _ = begun(worker, job)
    attempt.writer.notes["nonsense"] = 2**70  # no JSON for it
    end(attempt, Outcome(Status.COMPLETED))
    response = worker.stored(job)
    assert (response["status"], text_of(response), response["usage"]) == ("failed", "half an answer", None)


def test_every_claim_ends_the_job_or_lowers_a_budget(worker: LocalWorker) -> None:
    """No attempt can begin: what its checkpoint holds makes no sense."""
    job = worker.accept()
    first = worker.claim(job)
    worker.context.attempts.checkpoint(first, Checkpoint(0, [{"type": "message", "id": "msg_0_0"}], None))
    worker.context.attempts.give_up(job.id, first.attempt)
    budget = worker.context.settings.max_attempts
    claims = 1
    rescues = worker.job_factory.get(job.id).rescues
    while worker.job_factory.get(job.id).status is Status.QUEUED:
        generate(worker.claim(job), worker.context)
        claims += 1
        row = worker.job_factory.get(job.id)
        assert row.status.is_terminal or row.rescues == rescues + 1
        rescues = row.rescues
        assert claims <= budget + 2
    assert worker.stored(job)["status"] == "failed"


def test_a_checkpoint_is_not_answered_before_cancel_and_budget_are_looked_at(worker: LocalWorker) -> None:
    for change, status in (({"cancel_requested_at": 1.0}, "cancelled"), ({"rescues": 9}, "failed"), ({}, "completed")):
        job = worker.accept()
        attempt, section = begun(worker, job)
        section.finish(partial(attempt.checkpoint, 0, None))
        worker.context.attempts.give_up(job.id, 1)
        if change:
            with worker.job_factory.database.write() as connection:
                connection.execute(update(jobs).where(jobs.c.id == job.id).values(change))
        generate(worker.claim(job), worker.context)
        response = worker.stored(job)
        assert (response["status"], text_of(response)) == (status, "half an answer")


def test_a_drain_behind_the_models_last_word_throws_nothing_away(worker: LocalWorker) -> None:
    job = worker.accept()
    attempt, section = begun(worker, job)
    attempt.cancellation.request(Reason.DRAIN)
    section.finish(partial(attempt.checkpoint, 0, None))
    end(attempt, Outcome(Status.COMPLETED))
    response = worker.stored(job)
    assert (response["status"], text_of(response)) == ("completed", "half an answer")


def test_a_cancel_before_the_checkpoint_wins(worker: LocalWorker) -> None:
    attempt, section = begun(worker, worker.accept())
    attempt.cancellation.request(Reason.CANCEL)
    with pytest.raises(Stopped) as stopped:
        section.finish(partial(attempt.checkpoint, 0, None))
    assert stopped.value.phase is Phase.COMMITTING


def test_a_drained_job_is_given_back_and_goes_on(worker: LocalWorker) -> None:
    job = worker.accept("to be drained [[demo tokens=2000 rate=100]]")
    thread = threading.Thread(target=generate, args=[worker.claim(job), worker.context])
    thread.start()
    wait_for(lambda: worker.context.log.tails([job.id])[0] > 10)
    worker.context.running.drain(0)
    thread.join(30)
    row = worker.job_factory.get(job.id)
    assert (row.status, row.rescues) == (Status.QUEUED, 0)


def test_a_write_waits_for_the_database_until_a_drain_whatever_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "RETRY_SECONDS", 0.01)
    cancellation = Cancellation()
    tries: list[float] = []

    def write() -> None:
        tries.append(time.monotonic())
        if len(tries) == 3:
            cancellation.request(Reason.CANCEL)
        if len(tries) == 6:
            cancellation.request(Reason.DRAIN)
        raise OperationalError("COMMIT", {}, Exception("the database is away"))

    with pytest.raises(Stopped) as stopped:
        persist(write, cancellation)
    assert (len(tries), stopped.value.phase) == (6, Phase.WAITING)


def test_a_log_that_a_newer_attempt_has_taken_is_left_alone(worker: LocalWorker) -> None:
    job = worker.accept()
    claim = worker.claim(job)
    worker.context.log.take(job.id, 2)
    with pytest.raises(Replaced):
        resume.read_log(claim, worker.context.log, Cancellation())

"""How a worker process finds its jobs: it looks for them itself, whatever became of the wake-ups."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from jobs.job import Job, Status
from tests.support.job_factory import OWNER
from tests.support.local_worker import LocalWorker
from tests.support.redis_server import RedisServer
from tests.support.stack import DemoModel, wait_for
from worker import process as processes
from worker.process import WorkerProcess

ROOM = 2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoModel]:
    model = DemoModel(tmp_path_factory.mktemp("model"))
    yield model
    model.close()


@pytest.fixture
def worker(tmp_path: Path, model: DemoModel) -> Iterator[LocalWorker]:
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as server:
        worker = LocalWorker(tmp_path, server, model, concurrency=ROOM)
        yield worker
        worker.context.running.drain(0)
        wait_for(lambda: not len(worker.context.running))
        worker.close()


@pytest.fixture
def process(worker: LocalWorker, monkeypatch: pytest.MonkeyPatch) -> WorkerProcess:
    """A process that nothing wakes; the test says when it looks."""
    monkeypatch.setattr(processes, "_LOOK_SECONDS", 0.0)
    return WorkerProcess(worker.context)


@contextmanager
def failing_claims(worker: LocalWorker) -> Iterator[None]:
    """The database refuses every claim."""

    def run(statement: str) -> None:
        with closing(sqlite3.connect(worker.database_file, timeout=10, isolation_level=None)) as connection:
            connection.execute(statement)

    run("CREATE TRIGGER refuse BEFORE UPDATE OF attempt ON jobs BEGIN SELECT RAISE(ABORT, 'no'); END")
    yield
    run("DROP TRIGGER refuse")


def status_of(worker: LocalWorker, job: Job) -> Status:
    return worker.job_factory.get(job.id).status


def test_all_that_is_queued_is_run_without_any_message(worker: LocalWorker, process: WorkerProcess) -> None:
    jobs = [worker.accept(f"number {number} [[demo tokens=5]]") for number in range(3 * ROOM)]
    process._look()
    wait_for(lambda: all(status_of(worker, job) is Status.COMPLETED for job in jobs))


def test_a_failed_claim_does_not_end_the_looking(worker: LocalWorker, process: WorkerProcess) -> None:
    job = worker.accept("after all [[demo tokens=5]]")
    with failing_claims(worker):
        process._look()
        process.run(job.id)
        assert status_of(worker, job) is Status.QUEUED
    process._look()
    wait_for(lambda: status_of(worker, job) is Status.COMPLETED)


def test_there_is_room_for_so_many_and_for_those_that_only_end(worker: LocalWorker, process: WorkerProcess) -> None:
    jobs = [worker.accept(f"long {number} [[demo tokens=5000 rate=50]]") for number in range(ROOM + 1)]
    for _ in range(3):
        process._look()
    wait_for(lambda: len(worker.context.running) == ROOM)
    ended = worker.accept()
    worker.job_factory.claim(ended)
    worker.job_factory.requeue(ended.id)
    worker.job_factory.store.request_cancel(OWNER, ended.id)
    process._look()
    wait_for(lambda: status_of(worker, ended) is Status.CANCELLED)
    assert len(worker.context.running) == ROOM
    assert [status_of(worker, job) for job in jobs].count(Status.QUEUED) == 1


def test_the_threads_of_a_process_claim_one_after_the_other(
    worker: LocalWorker, process: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, gate = threading.Semaphore(0), threading.Event()

    def claim(*_: object) -> None:
        inside.release()
        assert gate.wait(20)

    monkeypatch.setattr(worker.context.attempts, "claim", claim)
    threads = [threading.Thread(target=process.run, args=["a job"]) for _ in range(ROOM)]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=20)
    assert not inside.acquire(timeout=0.2)
    gate.set()
    for thread in threads:
        thread.join()
    assert inside.acquire(timeout=0)


def test_a_process_that_ends_waits_for_what_it_looked_for_itself(worker: LocalWorker, process: WorkerProcess) -> None:
    job = worker.accept("to be handed over [[demo tokens=5000 rate=50]]")
    process._look()
    wait_for(lambda: len(worker.context.running))
    process._drain()
    threading.Thread(target=worker.context.running.drain, args=[0]).start()
    process.close()
    assert (status_of(worker, job), worker.job_factory.get(job.id).rescues) == (Status.QUEUED, 0)
    process._look()
    assert status_of(worker, job) is Status.QUEUED

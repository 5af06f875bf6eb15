"""A database that is locked by others, full, or may only be read: clear answers, nothing half-written, no loss."""

from __future__ import annotations

import json
import resource
import select
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import openai
import psutil
import pytest

from cli.launch.processes import WORKER
from jobs.job import Status
from tests.support.assertions import assert_bought_once, row_of
from tests.support.sqlite_faults import locked
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.up import ROOT, clean_environment
from tests.support.wire import create, fetch

LEASE_SECONDS = 2


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two workers who are soon taken for dead."""
    directory = tmp_path_factory.mktemp("database") / "data"
    with running_stack(directory, workers=2, PENSTOCK_LEASE_SECONDS=str(LEASE_SECONDS)) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as client:
        yield client


def file_of(stack: Stack) -> Path:
    return stack.directory / "penstock.db"


@contextmanager
def often_locked(database: Path) -> Iterator[None]:
    """Another process holds the database again and again, most of the time."""
    over = threading.Event()

    def hold() -> None:
        while not over.is_set():
            with locked(database):
                over.wait(1.5)
            over.wait(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_database_that_others_hold_is_waited_for(stack: Stack, client: openai.OpenAI) -> None:
    names = [f"patience {number}" for number in range(8)]
    with often_locked(file_of(stack)):
        viewers = {
            name: Viewer(client, create(stack.url, input=f"{name} [[demo tokens=30 rate=30]]")["id"]) for name in names
        }
        assert_bought_once(stack, viewers)


def test_workers_that_cannot_beat_do_not_bury_each_other(stack: Stack, client: openai.OpenAI) -> None:
    names = [f"unburied {number}" for number in range(6)]
    viewers = {
        name: Viewer(client, create(stack.url, input=f"{name} [[demo tokens=300 rate=40]]")["id"]) for name in names
    }
    for viewer in viewers.values():
        viewer.seen(10)
    with locked(file_of(stack)):
        threading.Event().wait(2 * LEASE_SECONDS)
    assert_bought_once(stack, viewers)


def test_others_are_answered_while_a_write_waits(stack: Stack) -> None:
    body = json.dumps({"input": "held up [[demo tokens=1]]", "background": True})
    with closing(HTTPConnection(stack.url.removeprefix("http://"), timeout=30)) as connection:
        with locked(file_of(stack)):
            connection.request("POST", "/v1/responses", body=body)
            for _ in range(10):
                assert fetch(stack.url, "/v1/responses?limit=1")[0] == 200
            assert not select.select([connection.sock], [], [], 0)[0]
        assert connection.getresponse().status == 200


# -- no room, no permission ----------------------------------------------------------------------------------------


@contextmanager
def full_disk(stack: Stack) -> Iterator[None]:
    """No file that Penstock's processes write may grow any more."""
    files = (file_of(stack), Path(f"{file_of(stack)}-wal"))
    largest = max(file.stat().st_size for file in files)
    parents = [psutil.Process(process.pid) for process in (*stack.webs, *stack.workers)]
    pids = [process.pid for parent in parents for process in (parent, *parent.children(recursive=True))]

    def limit(size: int) -> None:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    limit(largest)
    try:
        yield
    finally:
        limit(resource.RLIM_INFINITY)


def test_a_full_disk_takes_no_job_by_halves_and_loses_none(stack: Stack, client: openai.OpenAI) -> None:
    job = create(stack.url, input="no room [[demo tokens=9000 rate=4500 seed=1]]")["id"]
    viewer = Viewer(client, job)
    viewer.seen(10)
    known = fetch(stack.url, "/v1/responses?limit=100")[1]["data"]
    large = json.dumps({"input": "x" * 1_000_000, "background": True}).encode()
    with full_disk(stack):
        status, body = fetch(stack.url, "/v1/responses", method="POST", body=large)
        assert (status, body["error"]["type"]) == (503, "server_error")
        assert body["error"]["code"] == "disk_full"
        assert len(fetch(stack.url, "/v1/responses?limit=100")[1]["data"]) == len(known)
        stack.model.wait("no room", "finished")
        worker = stack.runner(job)
        wait_for(lambda: "the database refuses a write" in worker.log.read_text())
        assert row_of(stack.database, job).status == Status.IN_PROGRESS
    assert_bought_once(stack, {"no room": viewer})
    assert fetch(stack.url, "/v1/responses", method="POST", body=large)[0] == 200


def test_a_database_that_may_only_be_read_is_named(stack: Stack) -> None:
    url = f"sqlite:///file:{file_of(stack)}?mode=ro&uri=true"
    environment = clean_environment(PENSTOCK_REDIS_URL=stack.settings.redis_url, PENSTOCK_DATABASE_URL=url)
    worker = subprocess.run(WORKER, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert worker.returncode == 1
    (line,) = worker.stderr.strip().splitlines()
    assert "attempt to write a readonly database" in line

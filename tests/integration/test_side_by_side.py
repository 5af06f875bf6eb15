"""A worker of the version before beside today's web, on one database and Redis: as during an upgrade."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from jobs.job import Status
from jobs.protocol.events import IN_PROGRESS
from jobs.storage.audit import audit
from jobs.storage.lists.counts import count_differences
from jobs.storage.schema import jobs
from jobs.storage.store import Store
from tests.support.assertions import assert_in_order
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.up import ROOT
from tests.support.wire import create

# The last commit before search and queues got indexes of their own. Its number may change when history is rewritten.
BEFORE = "Take a signal that comes with the pids in the supervisor's test"


@pytest.fixture(scope="module")
def earlier_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of that commit."""
    git = ["git", "-C", str(ROOT)]
    find = [*git, "log", "--max-count=1", "--format=%H", "--fixed-strings", f"--grep={BEFORE}"]
    found = subprocess.run(find, capture_output=True, text=True, check=False)
    if not found.stdout.strip():
        pytest.skip("the history is not here: this needs a whole clone")
    archive = subprocess.run([*git, "archive", found.stdout.strip(), "jobs", "worker"], capture_output=True, check=True)
    place = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(place, filter="data")
    return place


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Today's web without a worker."""
    with running_stack(tmp_path / "data", workers=0) as running:
        yield running


def test_an_earlier_worker_runs_the_jobs_of_todays_web(earlier_source: Path, stack: Stack) -> None:
    earlier = stack.start_worker(PYTHONPATH=str(earlier_source))
    store = Store(stack.database)
    with stack.client() as client:
        done = create(stack.url, input="[[demo tokens=30]] curlew")["id"]
        cancelled = create(stack.url, input="[[demo rate=50 tokens=100000]]")["id"]
        rescued = create(stack.url, input="[[demo rate=50 tokens=100000]]")["id"]
        viewers = {job: Viewer(client, job) for job in (done, cancelled, rescued)}
        last_word = viewers[done].ended()[-1].response.output_text.split()[-1]
        viewers[cancelled].read(words=3)
        client.responses.cancel(cancelled)
        assert viewers[cancelled].ended()[-1].response.status == "cancelled"
        viewers[rescued].read(words=3)
        with stack.database.read() as connection:
            left = connection.execute(select(jobs.c.search).where(jobs.c.id == done)).scalar_one()
        assert last_word.lower() in left, "the worker is one of today's"

        stack.lose(earlier)
        stack.start_worker()
        wait_for(lambda: [event.type for event in viewers[rescued].events].count(IN_PROGRESS) == 2)
        client.responses.cancel(rescued)
        found = viewers[rescued].ended()
        assert_in_order(found, attempts=2)
        assert found[-1].response.status == "cancelled"
    counts = store.lists.counts("local")
    assert {status: count for status, count in counts.items() if count} == {Status.COMPLETED: 1, Status.CANCELLED: 2}
    wait_for(lambda: done in store.lists.ids("local", words=f"curlew {last_word}"))
    assert [differing for _, differing in audit(stack.database)] == [[], [], []]
    assert list(count_differences(stack.database)) == []
    assert "Traceback" not in earlier.log.read_text()

"""Two guards stand before a job: the row's and the log's. Each holds alone; and a checkpoint holds against kills."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import openai
import pytest

from jobs.protocol import events
from jobs.storage.attempts import AttemptStore
from jobs.storage.schema import checkpoints
from jobs.storage.workers import WorkerRegistry
from jobs.transport.event_log import EventLog
from tests.support.assertions import assert_in_order, assert_one_end, row_of, text_in
from tests.support.process import Process
from tests.support.sqlite_faults import endless, is_locked, locked
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.wire import create, event_source, raw_stream

# Who is not told of an end looks for it after two seconds of silence.
TOLD_SECONDS = 1.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock with one worker, in which nobody is taken for dead by chance."""
    with running_stack(tmp_path_factory.mktemp("guards") / "data", PENSTOCK_LEASE_SECONDS="600") as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as client:
        yield client


def database_file(stack: Stack) -> Path:
    return stack.directory / "penstock.db"


def ends_in(found: Sequence[Any]) -> list[str]:
    return [event.item.status for event in found if event.type == events.ITEM_DONE]


def checkpoints_of(stack: Stack, job: str) -> int:
    with stack.database.read() as connection:
        return len(connection.execute(checkpoints.select().where(checkpoints.c.job_id == job)).all())


def was_replaced(worker: Process, job: str) -> bool:
    return f"{job}: attempt 1 was replaced" in worker.log.read_text()


def test_invariant_4_stale_writes_refused_by_the_log_alone(stack: Stack, client: openai.OpenAI) -> None:
    job = create(stack.url, input="taken away [[demo tokens=150 rate=50]]")["id"]
    viewer = Viewer(client, job)
    viewer.seen(20)
    worker, log = stack.runner(job), EventLog(stack.redis)
    taken = log.take(job, 2)  # for the row, attempt 1 is the one
    wait_for(lambda: was_replaced(worker, job))
    assert log.tails([job]) == [taken.tail]
    assert stack.model.stats("taken away")["open"] == 0

    # Its worker has let go of a job that the row says is its own: it finds that out and gives it back.
    found = viewer.ended()
    assert_in_order(found, attempts=2)
    final = assert_one_end(stack.database, job, found)
    assert (final["status"], final["penstock"]["attempt"]) == ("completed", 2)
    assert text_in(found) == client.responses.create(input="taken away [[demo tokens=150]]").output_text


def counter_of(stack: Stack, worker: str) -> int:
    return {name: counter for name, counter, _ in WorkerRegistry(stack.database).rows()}[worker]


@pytest.mark.parametrize("by_whom", ["nobody yet", "another attempt"])
def test_invariant_4_stale_writes_refused_by_the_row_alone(stack: Stack, client: openai.OpenAI, by_whom: str) -> None:
    name = f"too late for {by_whom}"
    text = client.responses.create(input=f"{name} [[demo tokens=30]]").output_text
    job = create(stack.url, input=f"{name} [[demo tokens=30 rate=30]]")["id"]
    viewer, attempts = Viewer(client, job), AttemptStore(stack.database)
    zombie = stack.runner(job)
    with locked(database_file(stack)):
        stack.model.wait(name, "finished", 2)
        wait_for(lambda: text_in(viewer.events) == text)
        zombie.stop()  # all that is left is to commit it
    attempts.requeue_orphans(zombie.name, counter_of(stack, zombie.name))
    if by_whom == "another attempt":
        assert attempts.claim_one(job, "successor")
    attempt = row_of(stack.database, job).attempt
    zombie.send(signal.SIGCONT)  # the log does not know better than the zombie itself
    wait_for(lambda: was_replaced(zombie, job))
    attempts.requeue_orphans("successor")
    found = viewer.ended()
    assert_in_order(found, attempts=2)
    final = assert_one_end(stack.database, job, found)
    assert (final["status"], final["penstock"]["attempt"]) == ("completed", attempt + 1)
    assert text_in(found) == text
    assert stack.model.stats(name)["requests"] == 3


# -- checkpoints ---------------------------------------------------------------------------------------------------


def test_nothing_is_called_finished_before_it_is_kept(stack: Stack, client: openai.OpenAI) -> None:
    """The other side of invariant 5: what no viewer was told may be bought again."""
    with endless(database_file(stack), "INSERT ON checkpoints"):
        job = create(stack.url, input="not kept yet [[demo tokens=30]]")["id"]
        viewer = Viewer(client, job)
        wait_for(lambda: is_locked(database_file(stack)))
        stack.lose(stack.runner(job))
    stack.start_worker()
    found = viewer.ended()
    assert_in_order(found, attempts=2)
    assert ends_in(found) == ["completed"]
    restart = max(number for number, event in enumerate(found) if event.type == events.IN_PROGRESS)
    assert ends_in(found[restart:]) == ["completed"]
    assert_one_end(stack.database, job, found)
    assert stack.model.stats("not kept yet")["requests"] == 2


@pytest.mark.parametrize("told", [False, True], ids=["nobody was told", "a viewer was told"])
def test_invariant_5_finished_items_stay_when_the_worker_is_killed(
    stack: Stack, client: openai.OpenAI, told: bool
) -> None:
    """The worker dies behind the commit of its checkpoint: before or after the done events are in the log."""
    name = f"in between {told}"
    text = client.responses.create(input=f"{name} [[demo think=5 tokens=40]]").output_text
    with endless(database_file(stack), "UPDATE OF ended_at ON jobs"):
        job = create(stack.url, input=f"{name} [[demo think=5 tokens=40 rate=10]]")["id"]
        viewer = Viewer(client, job)
        viewer.seen(10)
        with nullcontext() if told else stack.frozen_redis():
            wait_for(lambda: checkpoints_of(stack, job))
            wait_for(lambda: len(ends_in(viewer.events)) == 2 * told)
            stack.lose(stack.runner(job))
    stack.start_worker()
    found = viewer.ended()
    assert_in_order(found, attempts=2)
    final = assert_one_end(stack.database, job, found)
    assert (final["status"], final["penstock"]["attempt"]) == ("completed", 2)
    assert ends_in(found) == ["completed", "completed"]
    assert text_in(found) == found[-1].response.output_text == text
    assert stack.model.stats(name)["requests"] == 2


# -- ends ----------------------------------------------------------------------------------------------------------


@pytest.mark.exclusive
def test_nobody_waits_for_an_end_that_is_known(stack: Stack) -> None:
    """The channel carries it. Not one of many is slow by chance: the quickest is asked."""
    followers: dict[str, Callable[[str], object]] = {
        "from the start": lambda job: raw_stream(stack.url, job),
        "from a cursor": lambda job: raw_stream(stack.url, job, after=3),
        "a browser": lambda job: event_source(stack.url, job),
    }

    def lateness(how: str, number: int) -> float:
        name = f"{how} {number}"
        followers[how](create(stack.url, input=f"{name} [[demo tokens=40 rate=40]]")["id"])
        return time.monotonic() - stack.model.wait(name, "finished")

    for how in followers:
        with ThreadPoolExecutor(5) as threads:
            assert min(threads.map(lateness, [how] * 5, range(5))) < TOLD_SECONDS

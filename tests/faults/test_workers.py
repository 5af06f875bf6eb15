"""Workers that die, freeze, are replaced or sent home: a job goes on, and its viewers need not notice."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from jobs.job import Status
from jobs.protocol import events
from jobs.protocol.ids import item_id
from jobs.storage.attempts import AttemptStore, Checkpoint, Claim
from jobs.storage.store import Store
from jobs.transport.queue import Queue
from tests.support.assertions import assert_in_order, assert_one_end, ended, everything_about, follow, row_of, text_in
from tests.support.process import Process
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.unsent_job import accept_silently
from tests.support.wire import create, fetch


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock that gives a job up when it has lost two workers."""
    directory = tmp_path_factory.mktemp("workers") / "data"
    with running_stack(directory, workers=0, PENSTOCK_LEASE_SECONDS="4", PENSTOCK_MAX_ATTEMPTS="1") as running:
        yield running


@pytest.fixture
def pair(stack: Stack) -> Stack:
    """The same with two living workers."""
    for _ in range(2 - sum(worker.is_running for worker in stack.workers)):
        stack.start_worker()
    return stack


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as client:
        yield client


# -- deaths --------------------------------------------------------------------------------------------------------


def test_a_killed_workers_job_goes_on_before_its_viewers_eyes(pair: Stack, client: openai.OpenAI) -> None:
    job = create(pair.url, input="killed [[demo tokens=200 rate=150 think=5]]")["id"]
    viewer = Viewer(client, job)
    viewer.seen(40)
    pair.lose(pair.runner(job))
    found = viewer.ended()
    assert_in_order(found, attempts=2)
    final = assert_one_end(pair.database, job, found)
    assert (final["status"], final["penstock"]["attempt"]) == ("completed", 2)
    assert row_of(pair.database, job).rescues == 1
    first, second = final["penstock"]["attempts"]
    assert (first["attempt"], first["reason"]) == (1, None)
    assert (second["attempt"], second["reason"]) == (2, "the worker was lost")
    assert first["started"] < second["started"]
    (item,) = [item for item in final["output"] if item["type"] == "message"]
    # It began before the worker died, and ended in the hands of the other.
    assert item["penstock"]["started"] < second["started"] < item["penstock"]["ended"]
    rate_histogram = final["penstock"]["curve"]
    assert rate_histogram["slot_seconds"] == 1
    assert len(rate_histogram["characters"]) > 1
    assert [event.output_index for event in found if event.type == events.ITEM_ADDED] == [0, 1]
    assert pair.model.stats("killed")["requests"] == 2
    again = client.responses.create(input="killed [[demo tokens=200 think=5]]")
    assert text_in(found) == found[-1].response.output_text == again.output_text
    late = follow(client, job)
    assert [event.to_json() for event in late] == [event.to_json() for event in found]


def test_a_rescued_job_that_says_something_else_begins_a_new_item(pair: Stack, client: openai.OpenAI) -> None:
    job = create(pair.url, input="fickle [[demo tokens=260 rate=200 seed=random]]")["id"]
    found: list[Any] = []
    final: Any
    with client.responses.stream(response_id=job) as helper:
        for event in helper:
            found.append(event)
            if len(found) == 150:
                pair.lose(pair.runner(job))
        final = helper.get_final_response()
    assert_in_order(found, attempts=2)
    old, new = (event.item for event in found if event.type == events.ITEM_ADDED)
    assert (new.penstock["replaces"], new.penstock["reason"]) == (old.id, "the worker was lost")
    first_new = next(number for number, event in enumerate(found) if getattr(event, "item", None) is new)
    assert final.output_text == text_in(found[first_new:])
    assert [item.id for item in final.output] == [new.id]
    assert_one_end(pair.database, job)


def test_a_worker_that_nobody_saw_die_is_missed(pair: Stack, client: openai.OpenAI) -> None:
    job = create(pair.url, input="unseen death [[demo tokens=100 rate=50]]")["id"]
    worker = pair.runner(job)
    viewer = Viewer(client, job)
    viewer.seen(20)
    worker.kill()
    assert_in_order(viewer.ended(), attempts=2)
    assert assert_one_end(pair.database, job)["status"] == "completed"


@pytest.mark.parametrize("fate", ["dead", "frozen"])
def test_a_job_that_costs_its_workers_is_given_up_with_its_text(pair: Stack, client: openai.OpenAI, fate: str) -> None:
    name = f"poison for the {fate}"
    job = create(pair.url, input=f"{name} [[demo tokens=4000 rate=50]]")["id"]
    viewer = Viewer(client, job)
    lost: list[Process] = []
    for attempt in (1, 2):
        viewer.seen(30)
        wait_for(lambda: pair.model.stats(name).get("requests") == attempt)  # noqa: B023  (called at once)
        lost.append(pair.runner(job))
        if fate == "dead":
            pair.lose(lost[-1])
        else:
            lost[-1].send(signal.SIGSTOP)  # nobody says so: the others miss it
        pair.start_worker()
        wait_for(lambda: row_of(pair.database, job).worker not in {worker.name for worker in lost})
    found = viewer.ended()
    final = found[-1].response
    assert final.status == "failed"
    assert "2 workers died" in final.error.message
    assert final.output_text == text_in(found)
    assert len(final.output_text) > 30
    assert pair.model.stats(name)["requests"] == 2
    assert_one_end(pair.database, job, found)
    for worker in lost:
        worker.kill()
    assert client.responses.create(input="life goes on [[demo tokens=3]]").status == "completed"


def test_invariant_1_accepted_is_never_lost(pair: Stack, client: openai.OpenAI) -> None:
    never_sent = accept_silently(pair, "never sent [[demo tokens=5]]").id
    asleep = [worker for worker in pair.workers if worker.is_running]
    for worker in asleep:
        worker.send(signal.SIGSTOP)
    sent_and_lost = create(pair.url, input="sent and lost [[demo tokens=5]]")["id"]
    pair.redis.flushall()
    for worker in asleep:
        worker.send(signal.SIGCONT)

    running = [create(pair.url, input=f"running {number} [[demo tokens=90 rate=30]]")["id"] for number in range(6)]
    wait_for(lambda: all(row_of(pair.database, job).attempt for job in running))
    pair.webs[-1].kill()
    asleep[0].kill()
    pair.redis_server.kill()
    pair.redis_server.start()
    pair.restart_web()
    accepted_meanwhile = create(pair.url, input="meanwhile [[demo tokens=5]]")["id"]

    for job in (never_sent, sent_and_lost, *running, accepted_meanwhile):
        assert ended(client, job).status == "completed"
        assert_one_end(pair.database, job)


# -- staleness -----------------------------------------------------------------------------------------------------


def test_invariant_4_stale_writes_refused(pair: Stack, client: openai.OpenAI) -> None:
    next(worker for worker in pair.workers if worker.is_running).kill()
    scripts = {
        "steady": "tokens=100 rate=50",
        "mute": "stall=20 fails=1",
        "late": "tokens=250 rate=50 seed=random",  # its successor still writes when the sleeper wakes
    }
    asked = {name: create(pair.url, input=f"{name} [[demo {script}]]")["id"] for name, script in scripts.items()}
    viewers = {name: Viewer(client, job) for name, job in asked.items()}
    for viewer in viewers.values():
        viewer.seen(6)
    (frozen,) = {pair.runner(job) for job in asked.values()}
    frozen.send(signal.SIGSTOP)
    successor = pair.start_worker()
    for name in ("steady", "mute"):
        viewers[name].ended()
    before = [everything_about(pair, asked[name]) for name in ("steady", "mute")]
    assert row_of(pair.database, asked["late"]).status == Status.IN_PROGRESS

    frozen.send(signal.SIGCONT)
    wait_for(lambda: all(f"{job}: attempt 1 was replaced" in frozen.log.read_text() for job in asked.values()))
    assert [everything_about(pair, asked[name]) for name in ("steady", "mute")] == before
    for name, job in asked.items():
        assert_in_order(viewers[name].ended(), attempts=2)
        final = assert_one_end(pair.database, job, viewers[name].events)
        assert (final["status"], final["penstock"]["attempt"]) == ("completed", 2)
        assert pair.model.stats(name)["requests"] == 2
        assert pair.model.stats(name)["open"] == 0
    # It is a worker like any other again.
    successor.kill()
    assert client.responses.create(input="after the frost [[demo tokens=3]]").status == "completed"


def test_invariant_5_finished_items_stay(pair: Stack, client: openai.OpenAI) -> None:
    text = client.responses.create(input="paid for [[demo tokens=200]]").output_text
    kept_log, lost_log = (
        create(pair.url, input="paid for [[demo tokens=200 rate=50]]", metadata={"log": log})["id"]
        for log in ("kept", "lost")
    )
    viewers = [Viewer(client, job) for job in (kept_log, lost_log)]
    for viewer in viewers:
        viewer.seen(30)
    workers = {pair.runner(job) for job in (kept_log, lost_log)}
    for worker in workers:
        worker.kill()
    # The last that the workers did was to commit what they had finished; they did not come to say so.
    for job in (kept_log, lost_log):
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        item = {"id": item_id("msg", job, 0, 0), "type": "message", "status": "completed", "role": "assistant"}
        finished = Checkpoint(0, [{**item, "content": [part], "penstock": {"section": 0}}], None)
        AttemptStore(pair.database).checkpoint(Claim(Store(pair.database).get("local", job), 0, 0, []), finished)
    pair.redis.delete(f"penstock:{{{lost_log}}}:log")
    for worker in workers:
        pair.lose(worker)
    pair.start_worker()

    for job, viewer in zip((kept_log, lost_log), viewers, strict=True):
        found = viewer.ended()
        final = assert_one_end(pair.database, job)
        assert final["status"] == "completed"
        assert found[-1].response.output_text == text
        assert [event.item.status for event in found if event.type == events.ITEM_DONE] == ["completed"]
        assert text_in(follow(client, job)) == text
    assert text_in(viewers[0].events) == text
    assert pair.model.stats("paid for")["requests"] == 3  # the reference, and each job once


# -- wake-ups and farewells ----------------------------------------------------------------------------------------


def test_many_wake_ups_make_one_run(pair: Stack, client: openai.OpenAI) -> None:
    job = accept_silently(pair, "woken often [[demo tokens=100 rate=100]]").id
    queue = Queue(pair.settings)
    for _ in range(10):
        queue.wake(job)
    assert ended(client, job).status == "completed"
    for again in (job, job, "resp_" + "0" * 40, "nonsense"):
        queue.wake(again)
    queue.app.close()
    wait_for(lambda: not pair.redis.llen("penstock:celery:penstock"))
    assert client.responses.create(input="and now [[demo tokens=3]]").status == "completed"
    assert pair.model.stats("woken often")["requests"] == 1
    assert row_of(pair.database, job).attempt == 1


def test_a_worker_that_is_sent_home_hands_over(pair: Stack, client: openai.OpenAI) -> None:
    job = create(pair.url, input="handed over [[demo tokens=200 rate=50]]")["id"]
    viewer = Viewer(client, job)
    viewer.seen(20)
    leaving = pair.runner(job)
    began = time.monotonic()
    assert leaving.end() == 0
    assert time.monotonic() - began < 10
    found = viewer.ended()
    assert_in_order(found, attempts=2)
    assert [event.sequence_number for event in found] == list(range(len(found)))
    final = assert_one_end(pair.database, job, found)
    assert (final["status"], final["penstock"]["attempt"]) == ("completed", 2)
    assert row_of(pair.database, job).rescues == 0
    assert [one["reason"] for one in final["penstock"]["attempts"]] == [None, "the worker was stopped"]
    again = client.responses.create(input="handed over [[demo tokens=200]]")
    assert text_in(found) == again.output_text


def test_a_worker_with_time_finishes_first(pair: Stack, client: openai.OpenAI) -> None:
    for worker in pair.workers:
        worker.kill()
    patient = pair.start_worker(PENSTOCK_DRAIN_SECONDS="30")
    job = create(pair.url, input="let it finish [[demo tokens=60 rate=60]]")["id"]
    assert pair.runner(job) is patient
    patient.send(signal.SIGTERM)
    late = create(pair.url, input="too late for it [[demo tokens=3]]")["id"]
    assert ended(client, job).penstock["attempt"] == 1
    assert patient.wait() == 0
    assert row_of(pair.database, late).status == Status.QUEUED
    pair.start_worker()
    assert ended(client, late).status == "completed"


def test_a_worker_that_stands_still_is_not_counted(pair: Stack) -> None:
    def living() -> int:
        return int(fetch(pair.url, "/readyz")[1]["workers"])

    worker = pair.start_worker()
    wait_for(lambda: living() == sum(each.is_running for each in pair.workers))
    others = living() - 1
    for each in pair.workers:
        if each.is_running:
            each.send(signal.SIGSTOP)  # nobody is left who could say so in the database
    try:
        wait_for(lambda: living() == 0)
    finally:
        for each in pair.workers:
            if each.is_running:
                each.send(signal.SIGCONT)
    wait_for(lambda: living() == others + 1)
    assert worker.is_running

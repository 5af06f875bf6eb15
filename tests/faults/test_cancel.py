"""Cancel: it stops the spending in the time of a round trip, whatever the model and Redis are doing."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from jobs.storage.attempts import AttemptStore
from tests.support.assertions import assert_one_end, row_of, text_in
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.wire import blocks, create, fetch, request

# Twice what is promised: the machine has other things to do.
ROUND_TRIP = 2 * 1.0
WITHOUT_REDIS = 2 * 2.0
ANSWER = 2 * 2.0


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("cancel") / "data") as running:
        yield running


@pytest.fixture
def client(busy: Stack) -> Iterator[openai.OpenAI]:
    with busy.client() as client:
        yield client


# What the model is doing, and what it has done when it is time to cancel.
SCRIPTS = {
    "writing": ("rate=30 tokens=5000", "first_token"),
    "thinking": ("rate=30 think=5000", "first_token"),
    "silent": ("stall=5", "stalled"),
    "saying nothing but comments": ("keepalive=5", "stalled"),
    "reading the prompt": ("first=600", "headers"),
    "not even answering": ("headers=600", "request"),
    "answering in one piece": ("nostream rate=1 tokens=600", "request"),
}


@pytest.mark.exclusive
@pytest.mark.parametrize("doing", SCRIPTS)
def test_invariant_7_cancel_stops_the_spend(busy: Stack, client: openai.OpenAI, doing: str) -> None:
    script, event = SCRIPTS[doing]
    job = create(busy.url, input=f"{doing} [[demo {script}]]")["id"]
    busy.model.wait(doing, event)
    asked = time.monotonic()
    answer = client.responses.cancel(job)
    assert answer.status == "cancelled"
    assert busy.model.wait(doing, "closed_by_client") - asked < ROUND_TRIP
    final = assert_one_end(busy.database, job)
    assert final["status"] == "cancelled"
    assert 0 <= final["penstock"]["timing"]["cancel"] < ROUND_TRIP
    assert bool(final["output"]) == (event in ("first_token", "stalled"))
    assert {item["status"] for item in final["output"]} <= {"incomplete"}
    assert busy.model.stats(doing)["requests"] == 1


@pytest.mark.exclusive
def test_a_cancel_ends_the_wait_before_another_try(busy: Stack, client: openai.OpenAI) -> None:
    job = create(busy.url, input="wait for me [[demo status=429 retry_after=600]]")["id"]
    busy.model.wait("wait for me", "failed")
    asked = time.monotonic()
    assert client.responses.cancel(job).status == "cancelled"
    assert time.monotonic() - asked < ROUND_TRIP
    assert busy.model.stats("wait for me")["requests"] == 1
    assert_one_end(busy.database, job)


def test_a_queued_job_is_never_bought(busy: Stack, client: openai.OpenAI) -> None:
    worker = busy.workers[0]
    worker.send(signal.SIGSTOP)
    job = create(busy.url, input="never mind [[demo tokens=5]]")["id"]
    answer = client.responses.cancel(job)
    assert (answer.status, answer.output) == ("cancelled", [])
    worker.send(signal.SIGCONT)
    assert client.responses.create(input="behind it [[demo tokens=1]]").status == "completed"
    assert busy.model.stats("never mind") == {}
    assert_one_end(busy.database, job)


def test_whoever_waits_for_an_answer_and_leaves_stops_the_spend(busy: Stack) -> None:
    body = json.dumps({"input": "never mind me [[demo rate=30 tokens=5000]]", "stream": True}).encode()
    with request(busy.url, "/v1/responses", method="POST", body=body) as answer:
        assert any(b"output_text.delta" in block for block in blocks(answer))
    busy.model.wait("never mind me", "closed_by_client")
    _, page = fetch(busy.url, "/v1/responses?limit=1")
    assert wait_for(lambda: row_of(busy.database, page["first_id"]).status == "cancelled")


@pytest.mark.exclusive
@pytest.mark.parametrize("doing", ["writing", "silent"])
def test_a_cancel_arrives_without_redis(busy: Stack, client: openai.OpenAI, doing: str) -> None:
    script, event = SCRIPTS[doing]
    name = f"{doing} without redis"
    job = create(busy.url, input=f"{name} [[demo {script}]]")["id"]
    busy.model.wait(name, event)
    with busy.frozen_redis():
        asked = time.monotonic()
        client.responses.cancel(job)
        assert busy.model.wait(name, "closed_by_client") - asked < WITHOUT_REDIS
        assert wait_for(lambda: client.responses.retrieve(job).status == "cancelled")
    assert_one_end(busy.database, job)
    assert busy.model.stats(name)["requests"] == 1


@pytest.mark.exclusive
def test_a_cancel_arrives_when_its_message_does_not(busy: Stack, client: openai.OpenAI) -> None:
    job = create(busy.url, input="not called [[demo stall=5]]")["id"]
    busy.model.wait("not called", "stalled")
    busy.redis.client_kill_filter(_type="pubsub")  # the worker listens again after a second
    asked = time.monotonic()
    assert client.responses.cancel(job).status == "cancelled"
    assert busy.model.wait("not called", "closed_by_client") - asked < WITHOUT_REDIS
    assert_one_end(busy.database, job)


def test_a_cancel_holds_when_the_worker_is_dead(busy: Stack, client: openai.OpenAI) -> None:
    """Before anybody has found that out, and when the job waits for another worker already."""
    asked = {
        status: create(busy.url, input=f"dead and {status} [[demo tokens=600 rate=50]]")["id"]
        for status in ("in_progress", "queued")
    }
    viewers = {status: Viewer(client, job) for status, job in asked.items()}
    for viewer in viewers.values():
        viewer.seen(20)
    worker = busy.runner(asked["queued"])
    worker.kill()
    AttemptStore(busy.database).give_up(asked["queued"], 1)
    for status, job in asked.items():
        began = time.monotonic()
        assert client.responses.cancel(job).status == status
        assert time.monotonic() - began < ANSWER
    busy.lose(worker)
    busy.start_worker()
    for status, viewer in viewers.items():
        final = assert_one_end(busy.database, asked[status], viewer.ended())
        assert (final["status"], final["penstock"]["attempt"]) == ("cancelled", 2)
        assert text_in(viewer.events) == viewer.events[-1].response.output_text != ""
        assert busy.model.stats(f"dead and {status}")["requests"] == 1


def test_many_cancels_are_one(busy: Stack, client: openai.OpenAI) -> None:
    job = create(busy.url, input="many cancels [[demo tokens=600 rate=50]]")["id"]
    viewer = Viewer(client, job)
    viewer.seen(20)
    with ThreadPoolExecutor(5) as threads:
        answers = [*threads.map(client.responses.cancel, [job] * 5), client.responses.cancel(job)]
    assert {answer.status for answer in answers} == {"cancelled"}
    assert len({answer.to_json() for answer in answers}) == 1
    assert_one_end(busy.database, job, viewer.ended())
    assert busy.model.stats("many cancels")["closed_by_client"] == 1


# -- ends ----------------------------------------------------------------------------------------------------------


def test_invariant_3_one_end(busy: Stack, client: openai.OpenAI) -> None:
    scripts = {
        "completed": "tokens=30",
        "failed": "tokens=30 error=9",
        "incomplete": "tokens=30 filter=9",
        "cancelled": "tokens=900 rate=50",
    }
    viewers = {
        status: Viewer(client, create(busy.url, input=f"ends {status} [[demo {script}]]")["id"])
        for status, script in scripts.items()
    }
    client.responses.cancel(viewers["cancelled"].seen(20)[0].response.id)
    for status, viewer in viewers.items():
        found = viewer.ended()
        assert assert_one_end(busy.database, found[0].response.id, found)["status"] == status


def test_a_cancel_and_an_end_at_the_same_moment_make_one_end(busy: Stack, client: openai.OpenAI) -> None:
    statuses = set()
    for number in range(40):
        job = create(busy.url, input=f"race {number} [[demo tokens=40]]")["id"]
        viewer = Viewer(client, job)
        viewer.seen(number % 10 + 1)
        try:
            answer = client.responses.cancel(job)
        except openai.BadRequestError as refused:
            assert "Cannot cancel a completed response" in str(refused)  # noqa: PT017
            answer = client.responses.retrieve(job)
        final = assert_one_end(busy.database, job, viewer.ended())
        assert answer.status == final["status"]
        statuses.add(answer.status)
    assert statuses <= {"completed", "cancelled"}


def test_a_cancel_arrives_at_a_worker_of_another_kind(busy: Stack, client: openai.OpenAI) -> None:
    for worker in busy.workers:
        worker.kill()
    green = busy.start_worker("-P", "gevent")
    for doing in ("writing", "silent", "not even answering"):
        script, event = SCRIPTS[doing]
        name = f"{doing} in green"
        job = create(busy.url, input=f"{name} [[demo {script}]]")["id"]
        busy.model.wait(name, event)
        asked = time.monotonic()
        assert client.responses.cancel(job).status == "cancelled"
        assert busy.model.wait(name, "closed_by_client") - asked < ROUND_TRIP
        assert_one_end(busy.database, job)
    assert green.end() == 0

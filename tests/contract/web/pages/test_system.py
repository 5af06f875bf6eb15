"""The page about the system: what it shows to whom, and who may pause a queue."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import insert, update

from jobs.job import Status
from jobs.storage.access.api_keys import ApiKeys
from jobs.storage.schema import jobs, workers
from jobs.storage.statistics import Statistics
from jobs.storage.store import Store
from tests.support.job_factory import accepted
from tests.support.markup import Markup
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import create


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock of several owners, one of whom operates it. It has no worker."""
    variables = {"PENSTOCK_AUTH": "keys", "PENSTOCK_OPERATORS": "chief, deputy"}
    with running_stack(tmp_path_factory.mktemp("stack") / "data", workers=0, **variables) as running:
        yield running


def browser_of(stack: Stack, owner: str) -> httpx2.Client:
    key = ApiKeys(stack.database).create(owner)
    return httpx2.Client(base_url=stack.url, trust_env=False, headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def chief(stack: Stack) -> Iterator[httpx2.Client]:
    with browser_of(stack, "chief") as browser:
        yield browser


@pytest.fixture
def guest(stack: Stack) -> Iterator[httpx2.Client]:
    with browser_of(stack, "guest") as browser:
        yield browser


def run(stack: Stack, owner: str, worker: str, topic: str) -> str:
    """A job of an owner that a worker is said to run."""
    request = accepted(input=None, prompt={"id": "story", "variables": {"topic": topic}})
    job_id = Store(stack.database).accept(owner, request).id
    progress = '{"done": 0, "total": 1, "words": 300, "curve": {"slot_seconds": 5, "characters": [1000, 1000]}}'
    running = {"status": Status.IN_PROGRESS, "worker": worker, "started_at": time.time() - 10, "progress": progress}
    with stack.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(running))
    return job_id


def text(browser: httpx2.Client, id_: str) -> str:
    page = Markup(browser.get("/system").text)
    assert page.faults == []
    return " ".join(next(one.text for one in page.elements if one.attributes.get("id") == id_).split())


def test_only_operators_pause_queues(stack: Stack, chief: httpx2.Client, guest: httpx2.Client) -> None:
    assert "button" not in [
        one.tag for one in Markup(guest.get("/system").text).elements if "act" in one.attributes.values()
    ]
    answer = guest.post("/system/queues", data={"queue": "default", "act": "pause"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")
    assert Statistics(stack.database).queues()[0].paused_since is None

    assert chief.post("/system/queues", data={"queue": "default", "act": "pause"}).headers["Location"] == "/system"
    assert Statistics(stack.database).queues()[0].paused_since is not None
    assert "is paused" in chief.get("/system").text
    assert "paused" in text(guest, "queues")
    assert chief.post("/system/queues", data={"queue": "default", "act": "resume"}).status_code == 303
    assert Statistics(stack.database).queues()[0].paused_since is None
    assert "paused" not in text(guest, "queues")
    for odd in ({"queue": "slow", "act": "pause"}, {"queue": "flex", "act": "stop"}, {}):
        assert chief.post("/system/queues", data=odd).status_code == 400


def test_others_jobs_are_counted_and_not_named(stack: Stack, chief: httpx2.Client, guest: httpx2.Client) -> None:
    name = f"worker-{secrets.token_hex(3)}"
    row = {"id": name, "counter": 1, "dead": 0, "started_at": time.time() - 90, "beaten_at": time.time()}
    with stack.database.write() as connection:
        connection.execute(insert(workers).values(row))
    own, theirs = run(stack, "guest", name, "mine alone"), run(stack, "chief", name, "of the chief")
    page = guest.get("/system").text
    assert own in page
    assert "mine alone" in page
    for secret in (theirs, "of the chief", name):
        assert secret not in page
        assert secret not in guest.get("/system.json").text
    assert name in chief.get("/system").text
    assert name in chief.get("/system.json").text
    document = guest.get("/system.json").json()
    assert [(job["id"], job["title"], job["words"]) for job in document["jobs"]] == [(own, "mine alone", 300)]
    assert [worker["own_jobs"] for worker in document["workers"]] == [[own]]
    assert sum(queue["running"] for queue in document["queues"]) == 2
    assert document["tokens_per_second"] == 80
    assert text(guest, "running-value") == "2"
    # Two jobs, 200 characters a second each, 300 words in 2,000 characters, four tokens for three words.
    assert text(guest, "speed-value") == "80 about"


def test_the_last_hour_and_the_last_day(stack: Stack, guest: httpx2.Client) -> None:
    before = int(
        text(guest, "accepted").split()[4].replace(",", "") if "in the last hour" in text(guest, "accepted") else 0
    )
    job_id = Store(stack.database).accept("somebody", accepted()).id
    failed = {"status": Status.FAILED, "ended_at": time.time(), "error": "model_away", "tokens": 1234}
    with stack.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(failed))
    assert f"{before + 1} in the last hour" in text(guest, "accepted")
    assert "1 failed" in text(guest, "ended")
    document = guest.get("/system.json").json()
    assert document["last_hour"]["tokens"] == 1234
    assert [(failure["code"], failure["jobs"]) for failure in document["failures"]] == [("model_away", 1)]
    assert "1,234 in the last hour" in text(guest, "tokens")
    assert text(guest, "failures") == "The model server does not answer: it is asked again soon. model_away 1"
    (minute,) = [line for line in text(guest, "minutes").split("UTC") if "1,234" in line]
    assert minute


def test_a_page_without_redis_and_the_model_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    variables = {"OPENAI_BASE_URL": "http://127.0.0.1:9"}
    with (
        running_stack(tmp_path_factory.mktemp("dark") / "data", workers=0, **variables) as dark,
        httpx2.Client(base_url=dark.url, trust_env=False, timeout=15) as browser,
    ):
        wait_for(lambda: "Connection refused" in text(browser, "health"))
        assert "Redis answers in" in text(browser, "health")
        with dark.frozen_redis():
            assert "Redis does not answer" in text(browser, "health")
            assert "Database answers in" in text(browser, "health")


def test_streams_that_are_open_are_counted(penstock: Stack) -> None:
    with httpx2.Client(base_url=penstock.url, trust_env=False, timeout=30) as browser:
        job_id = create(penstock.url, input="watched [[demo rate=20 tokens=2000]]")["id"]
        before = int(text(browser, "viewers-value").split()[0])
        with (
            browser.stream("GET", f"/v1/responses/{job_id}?stream=true"),
            browser.stream("GET", f"/jobs/{job_id}/live"),
            browser.stream("GET", f"/jobs/{job_id}/live"),
        ):
            wait_for(lambda: int(text(browser, "viewers-value").split()[0]) == before + 3)
        browser.post(f"/v1/responses/{job_id}/cancel")

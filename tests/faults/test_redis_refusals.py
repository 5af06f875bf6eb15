"""A Redis that answers with errors: workers and viewers wait until it is taken again, whatever the words are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from tests.support.assertions import assert_in_order, assert_one_end
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.wire import create, fetch

Change = Callable[[Any], object]

# What makes Redis refuse, and what makes it take commands again. The connections are cut, so that each is made anew.
REFUSALS: dict[str, tuple[Change, Change]] = {
    "OOM": (lambda client: client.config_set("maxmemory", 1), lambda client: client.config_set("maxmemory", 0)),
    "READONLY": (lambda client: client.replicaof("127.0.0.1", "1"), lambda client: client.replicaof("no", "one")),
    "MASTERDOWN": (
        lambda client: (client.config_set("replica-serve-stale-data", "no"), client.replicaof("127.0.0.1", "1")),
        lambda client: (client.replicaof("no", "one"), client.config_set("replica-serve-stale-data", "yes")),
    ),
    "NOPERM": (
        lambda client: client.execute_command("ACL", "SETUSER", "default", "-sadd", "-brpop"),
        lambda client: client.execute_command("ACL", "SETUSER", "default", "+@all"),
    ),
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("refusals") / "data") as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as client:
        yield client


def refusals(client: Any) -> int:
    """How often this Redis has answered with an error."""
    return sum(each["count"] for each in client.info("errorstats").values())


def consumers(client: Any) -> list[str]:
    """The ids of the connections on which a worker's consumer waits for a message."""
    return [each["id"] for each in client.client_list() if each["cmd"] == "brpop"]


def assert_completes(stack: Stack, text: str) -> None:
    job = create(stack.url, input=text)["id"]
    wait_for(lambda: fetch(stack.url, f"/v1/responses/{job}")[1]["status"] == "completed")


@pytest.mark.parametrize("words", sorted(REFUSALS))
def test_a_worker_outlives_a_redis_that_refuses(stack: Stack, client: openai.OpenAI, words: str) -> None:
    refuse, accept = REFUSALS[words]
    worker = stack.workers[0]
    viewer = Viewer(client, create(stack.url, input=f"before {words} [[demo tokens=60 rate=20]]")["id"])
    viewer.read(5)
    before = refusals(stack.redis)
    refuse(stack.redis)
    try:
        stack.redis.client_kill_filter(_type="normal", skipme=True)
        wait_for(lambda: refusals(stack.redis) >= before + 3)
        assert_completes(stack, f"while Redis says {words} [[demo tokens=5]]")
    finally:
        accept(stack.redis)
    wait_for(lambda: consumers(stack.redis))
    assert_completes(stack, f"after {words} [[demo tokens=5]]")
    found = viewer.ended()
    assert_in_order(found)
    assert_one_end(stack.database, found[0].response.id, found)
    assert worker.is_running
    assert refusals(stack.redis) <= before + 200  # a pause lies between two


def test_a_worker_outlives_a_primary_that_is_demoted(stack: Stack) -> None:
    worker = stack.workers[0]
    before = wait_for(lambda: consumers(stack.redis))
    # What clients that wait are told when their primary becomes a replica.
    for consumer in before:
        stack.redis.client_unblock(int(consumer), error=True)
    wait_for(lambda: (now := consumers(stack.redis)) and not set(now) & set(before))
    assert_completes(stack, "after UNBLOCKED [[demo tokens=5]]")
    assert worker.is_running


def test_a_worker_outlives_a_message_that_is_none(stack: Stack) -> None:
    worker = stack.workers[0]
    before = wait_for(lambda: consumers(stack.redis))
    for message in (b"no JSON", b"{}", b"[]"):
        stack.redis.lpush("penstock:celery:penstock", message)
    wait_for(lambda: (now := consumers(stack.redis)) and not set(now) & set(before))
    wait_for(lambda: not stack.redis.llen("penstock:celery:penstock") and consumers(stack.redis))
    assert_completes(stack, "after a message that is none [[demo tokens=5]]")
    assert worker.is_running

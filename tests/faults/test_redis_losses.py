"""A Redis that loses some of what it holds, all of it, or takes nothing more: logs are whole again, jobs go on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
import redis

from jobs.protocol import events
from jobs.transport.event_log import channel
from tests.support.assertions import assert_in_order, assert_one_end, follow, text_in
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.wire import create, raw_stream

# Twice what is promised: the machine has other things to do.
ANSWER_SECONDS = 2 * 3.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("losses") / "data") as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as client:
        yield client


class Keys:
    """What Redis keeps of one job, for a test to damage."""

    def __init__(self, client: redis.Redis, job: str) -> None:
        self.redis: Any = client
        self.log, self.fence = f"{channel(job)}:log", f"{channel(job)}:fence"

    def size(self) -> int:
        """How many entries the log has, -1 where something else stands."""
        return self.redis.xlen(self.log) if self.redis.type(self.log) == b"stream" else -1

    def newest(self, count: int) -> list[bytes]:
        """The ids of the last entries."""
        return [entry_id for entry_id, _ in self.redis.xrevrange(self.log, count=count)]

    def spoil(self) -> None:
        """Put something else in the log's place."""
        self.redis.delete(self.log)
        self.redis.set(self.log, "something else")


DAMAGES: dict[str, Callable[[Keys], object]] = {
    "its end": lambda keys: keys.redis.xdel(keys.log, *keys.newest(5)),
    "its beginning": lambda keys: keys.redis.xtrim(keys.log, maxlen=5, approximate=False),
    "its middle": lambda keys: keys.redis.xdel(keys.log, *keys.newest(12)[4:8]),
    "all of it": lambda keys: keys.redis.delete(keys.log),
    "the fence": lambda keys: keys.redis.delete(keys.fence),
    "log and fence": lambda keys: keys.redis.delete(keys.log, keys.fence),
    "its kind": Keys.spoil,
}


def test_invariant_2_one_log_one_order_whatever_the_log_has_lost(stack: Stack, client: openai.OpenAI) -> None:
    asked = {
        lost: create(stack.url, input=f"lost {lost} [[demo tokens=400 rate=50 think=5]]")["id"] for lost in DAMAGES
    }
    viewers = {lost: [Viewer(client, job)] for lost, job in asked.items()}
    for count in (30, 80):
        for lost, job in asked.items():
            viewers[lost][0].seen(count)
            keys = Keys(stack.redis, job)
            size = keys.size()
            DAMAGES[lost](keys)
            wait_for(lambda keys=keys, size=size: keys.size() > size)  # type: ignore[misc]  # it has been put back
        for lost, job in asked.items():
            viewers[lost].append(Viewer(client, job))
    differing = []
    for lost, job in asked.items():
        told = [[event.to_json() for event in viewer.ended()] for viewer in viewers[lost]]
        assert_in_order(viewers[lost][0].events)
        final = assert_one_end(stack.database, job, viewers[lost][0].events)
        assert (final["status"], final["penstock"]["attempt"]) == ("completed", 1)
        assert stack.model.stats(f"lost {lost}")["requests"] == 1
        differing += [lost] if any(each != told[0] for each in told) else []
    assert differing == []


@contextmanager
def without_its_file(stack: Stack) -> Iterator[None]:
    """Redis is killed, and started again with nothing."""
    stack.redis_server.kill()
    shutil.rmtree(stack.redis_server.directory / "appendonlydir")
    try:
        yield
    finally:
        stack.redis_server.start()


@contextmanager
def full(stack: Stack) -> Iterator[None]:
    """Redis has no memory left, and may throw nothing away."""
    stack.redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        stack.redis.config_set("maxmemory", 0)


@pytest.mark.parametrize("trouble", [without_its_file, full], ids=["without its file", "full"])
def test_jobs_run_on_and_are_accepted(
    stack: Stack, client: openai.OpenAI, trouble: Callable[[Stack], Any], request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    running = create(stack.url, input=f"{name} [[demo tokens=200 rate=60]]")["id"]
    ending = create(stack.url, input=f"{name}, ends [[demo tokens=60 rate=60]]")["id"]
    viewers = [Viewer(client, running), Viewer(client, ending)]
    for viewer in viewers:
        viewer.seen(20)
    with trouble(stack):
        began = time.monotonic()
        waiting = create(stack.url, input=f"{name}, waits [[demo tokens=20]]")["id"]
        assert time.monotonic() - began < ANSWER_SECONDS
        viewers += [Viewer(client, waiting), Viewer(client, running)]
        assert viewers[1].ended()[-1].type == events.COMPLETED
        assert raw_stream(stack.url, ending).count(b"\n\n") == len(viewers[1].events)
    for viewer in viewers:
        assert_in_order(viewer.ended())
        assert_one_end(stack.database, viewer.events[0].response.id, viewer.events)
    for kind in ("", ", ends", ", waits"):
        assert stack.model.stats(f"{name}{kind}")["requests"] == 1
    assert text_in(viewers[0].events) == text_in(viewers[3].events) == text_in(follow(client, running))
    assert stack.workers[0].is_running

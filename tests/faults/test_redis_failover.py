"""A primary of Redis that another one replaces: logs, messages and wake-ups follow, in the middle of streams."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from cli.launch.redis_server import FAKE
from jobs.transport.event_log import channel
from tests.support.assertions import assert_in_order, assert_one_end, follow, text_in
from tests.support.redis_group import SERVER, RedisGroup
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.wire import create

pytestmark = pytest.mark.skipif(SERVER == FAKE, reason="no Redis server")


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisGroup]:
    with RedisGroup(tmp_path_factory.mktemp("group")) as group:
        yield group


@pytest.fixture(scope="module")
def stack(group: RedisGroup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("sentinels") / "data", PENSTOCK_REDIS_URL=group.url) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as client:
        yield client


def goes_on_with(group: RedisGroup, viewer: Viewer) -> bool:
    """Whether log, channel and queue are at the present primary."""
    job = viewer.events[0].response.id
    with group.primary.client() as client:
        return (
            bool(client.exists(f"{channel(job)}:log"))
            and client.pubsub_numsub(channel(job))[0][1] == 1
            and any(each["cmd"] == "brpop" for each in client.client_list())
        )


def test_failovers_in_mid_stream_cost_nothing(group: RedisGroup, stack: Stack, client: openai.OpenAI) -> None:
    job = create(stack.url, input="endless [[demo tokens=9000 rate=40]]")["id"]
    viewer = Viewer(client, job)
    viewer.read(20)
    for replace in (group.switch, group.lose):
        replace()
        wait_for(lambda: goes_on_with(group, viewer), 60)
        viewer.read(len(text_in(viewer.events).split()) + 20)
    # A wake-up through the new primary; the web process's last one went to the first.
    woken = Viewer(client, create(stack.url, input="after it [[demo tokens=5]]")["id"])
    assert woken.ended()[-1].type == "response.completed"
    client.responses.cancel(job)
    found = viewer.ended()
    assert_in_order(found)
    final = assert_one_end(stack.database, job, found)
    assert (final["status"], final["penstock"]["attempt"]) == ("cancelled", 1)
    assert [event.to_json() for event in follow(client, job)] == [event.to_json() for event in found]
    assert text_in(found) == client.responses.retrieve(job).output_text
    assert stack.model.stats("endless")["requests"] == 1

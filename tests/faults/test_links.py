"""The network between the parts: links that stall, that are cut, and that are open on one side only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest
import redis

from tests.support.assertions import assert_in_order, assert_one_end, text_in
from tests.support.proxy import Proxy
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.wire import create

GAP_SECONDS = 4
# A worker that hears nothing from Redis has to find that out by itself.
HALF_OPEN_SECONDS = 40


class Links:
    """A Penstock whose processes reach Redis and the model through proxies. `redis` is a client that does not."""

    def __init__(self, directory: Path, opened: ExitStack) -> None:
        self.proxies = {"redis": opened.enter_context(Proxy()), "model": opened.enter_context(Proxy())}
        self.stack: Stack = opened.enter_context(
            running_stack(
                directory,
                workers=0,
                PENSTOCK_REDIS_URL=f"redis://{self.proxies['redis'].address}/0",
                OPENAI_BASE_URL=f"http://{self.proxies['model'].address}/v1",
                PENSTOCK_GAP_SECONDS=str(GAP_SECONDS),
            )
        )
        server, model = urlsplit(self.stack.redis_server.url), urlsplit(self.stack.model.url)
        self.proxies["redis"].target = Path(server.path)
        self.proxies["model"].target = (str(model.hostname), int(model.port or 0))
        self.redis = opened.enter_context(redis.Redis.from_url(self.stack.redis_server.url))
        self.stack.start_worker()


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Links]:
    with ExitStack() as opened:
        yield Links(tmp_path_factory.mktemp("links") / "data", opened)


@pytest.fixture
def client(links: Links) -> Iterator[openai.OpenAI]:
    with links.stack.client() as client:
        yield client


def assert_whole(links: Links, client: openai.OpenAI, name: str, viewer: Viewer, requests: int) -> None:
    """The viewer has seen all that the model says to `name`, as one story, and the model was asked so often."""
    found = viewer.ended()
    assert_in_order(found)
    final = assert_one_end(links.stack.database, found[0].response.id, found)
    assert (final["status"], final["penstock"]["attempt"]) == ("completed", 1)
    assert links.stack.model.stats(name)["requests"] == requests
    assert text_in(found) == client.responses.create(input=f"{name} [[demo tokens=150]]").output_text


@pytest.mark.parametrize("end", ["redis", "model"])
def test_a_link_that_stalls_costs_nothing(links: Links, client: openai.OpenAI, end: str) -> None:
    name = f"{end} stalls"
    viewer = Viewer(client, create(links.stack.url, input=f"{name} [[demo tokens=150 rate=100]]")["id"])
    viewer.seen(30)
    links.proxies[end].stall()
    links.stack.model.wait(name, "finished")
    assert viewer.is_alive()
    links.proxies[end].flow()
    assert_whole(links, client, name, viewer, requests=1)


@pytest.mark.parametrize("end", ["redis", "model"])
def test_a_link_that_is_cut_is_made_again(links: Links, client: openai.OpenAI, end: str) -> None:
    name = f"{end} is cut"
    viewer = Viewer(client, create(links.stack.url, input=f"{name} [[demo tokens=150 rate=50]]")["id"])
    for words in (10, 30):
        viewer.read(words)
        links.proxies[end].cut()
    assert_whole(links, client, name, viewer, requests=3 if end == "model" else 1)


def test_links_that_are_half_open_are_given_up(links: Links, client: openai.OpenAI) -> None:
    running = Viewer(client, create(links.stack.url, input="half open [[demo tokens=150 rate=50]]")["id"])
    running.seen(30)
    for proxy in links.proxies.values():
        proxy.swallow()
    # Redis believes that the worker still waits for a message, and would give it one into the void.
    wait_for(lambda: not links.redis.info("clients")["blocked_clients"])
    job = create(links.stack.url, input="waits for a worker [[demo tokens=150]]")["id"]
    waiting = Viewer(client, job)
    assert_whole(links, client, "half open", running, requests=2)
    wait_for(lambda: links.redis.info("clients")["blocked_clients"], HALF_OPEN_SECONDS)
    assert_whole(links, client, "waits for a worker", waiting, requests=1)

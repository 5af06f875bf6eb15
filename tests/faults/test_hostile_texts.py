"""A text that is dear to format, looked at by one, keeps nobody else waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from tests.support.bystander import Bystander
from tests.support.hostile_texts import HOSTILE_TEXTS
from tests.support.raw_server import RawServer, answer
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import create, fetch

# Twice what is promised for /healthz, whatever the text.
WAIT_SECONDS = 2 * 0.2


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    server = RawServer(lambda body: answer(HOSTILE_TEXTS[body["messages"][-1]["content"]]))
    yield server
    server.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, server: RawServer) -> Iterator[Stack]:
    data = tmp_path_factory.mktemp("texts") / "data"
    with running_stack(data, OPENAI_BASE_URL=server.url, PENSTOCK_MODEL="raw") as running:
        yield running


@pytest.mark.exclusive
@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_the_page_of_a_hostile_text_keeps_nobody_waiting(stack: Stack, name: str) -> None:
    job = create(stack.url, input=name)["id"]
    wait_for(lambda: fetch(stack.url, f"/v1/responses/{job}")[1]["status"] == "completed", 60)
    bystander = Bystander(stack.url)
    with bystander.watching():
        for path in (f"/jobs/{job}", "/jobs", "/", f"/jobs/{job}.html"):
            with urlopen(f"{stack.url}{path}", timeout=60) as reply:
                assert len(reply.read()) > 500
    assert bystander.longest < WAIT_SECONDS
    began = time.monotonic()
    with urlopen(f"{stack.url}/jobs/{job}", timeout=60) as reply:
        reply.read()
    assert time.monotonic() - began < 1  # it was kept

"""PostgreSQL on another machine: a server that stalls, a link that is cut or goes silent without a word."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import openai
import pytest

from tests.support.assertions import assert_bought_once
from tests.support.postgres import SYSTEM_USER, find_programs, postgres
from tests.support.proxy import Proxy
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.wire import create, fetch, request

# What a busy machine may add to all that is promised.
PATIENCE_SECONDS = 15


class Remote(NamedTuple):
    """A Penstock, and the link between its processes and their database."""

    stack: Stack
    link: Proxy


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine: install one (Debian: apt install postgresql)")
    with ExitStack() as opened:
        place = opened.enter_context(postgres(programs)).rpartition("host=")[2]
        link = opened.enter_context(Proxy(Path(place) / ".s.PGSQL.5432"))
        url = f"postgresql://{SYSTEM_USER}@{link.address}/postgres"
        directory = tmp_path_factory.mktemp("remote") / "data"
        yield Remote(opened.enter_context(running_stack(directory, PENSTOCK_DATABASE_URL=url)), link)


@pytest.fixture
def client(remote: Remote) -> Iterator[openai.OpenAI]:
    with remote.stack.client() as client:
        yield client


def begin(remote: Remote, client: openai.OpenAI, names: list[str], directives: str) -> dict[str, Viewer]:
    """A job and a viewer for each name."""
    url = remote.stack.url
    return {name: Viewer(client, create(url, input=f"{name} [[demo {directives}]]")["id"]) for name in names}


def test_a_server_that_stalls_and_cuts_costs_nothing(remote: Remote, client: openai.OpenAI) -> None:
    viewers = begin(remote, client, [f"remote {number}" for number in range(6)], "tokens=120 rate=60")
    for count in (10, 60):
        for viewer in viewers.values():
            viewer.seen(count)
        remote.link.cut()
        remote.link.stall()
        viewers["remote 0"].seen(count + 20)
        remote.link.flow()
    assert_bought_once(remote.stack, viewers)


@pytest.mark.parametrize(("seconds", "workers"), [(7, 1), (12, 2), (20, 3)])
def test_jobs_that_end_while_the_server_stalls_are_bought_once(
    remote: Remote, client: openai.OpenAI, request: pytest.FixtureRequest, seconds: int, workers: int
) -> None:
    """More of them than a worker has connections."""
    if seconds > 7 and not request.config.getoption("--soak"):
        pytest.skip("takes minutes: --soak")
    while len(remote.stack.workers) < workers:
        remote.stack.start_worker()
    names = [f"{seconds} s {number}" for number in range(40)]
    viewers = begin(remote, client, names, "tokens=100 rate=50")
    for viewer in viewers.values():
        viewer.seen(10)
    remote.link.stall()
    over = time.monotonic() + seconds
    for name in names:
        remote.stack.model.wait(name, "finished")
    threading.Event().wait(over - time.monotonic())
    remote.link.flow()
    assert_bought_once(remote.stack, viewers)


def test_who_lost_the_link_without_a_word_is_back_soon_after_it(remote: Remote, client: openai.OpenAI) -> None:
    """Each connection stays open, and nothing comes over it any more: not even after the link is whole again."""
    url = remote.stack.url
    viewers = begin(remote, client, ["silence"], "tokens=100 rate=25")
    viewers["silence"].seen(10)
    remote.link.stall()
    remote.link.swallow()
    assert_refused_in_time(url, "/v1/responses", b'{"input": "too early", "background": true}')
    assert_refused_in_time(url, "/jobs")
    began = time.monotonic()
    assert fetch(url, "/readyz") == (503, {"database": False, "redis": True, "workers": 0})
    assert time.monotonic() - began < 2 + PATIENCE_SECONDS
    assert fetch(url, "/healthz") == (200, {"ok": True})
    remote.stack.model.wait("silence", "finished")
    remote.stack.database.engine.dispose()  # the test's own connections are as dead as the others
    remote.link.flow()
    wait_for(lambda: fetch(url, "/readyz")[0] == 200, 15 + PATIENCE_SECONDS)
    viewers |= begin(remote, client, ["sound"], "tokens=20")
    assert_bought_once(remote.stack, viewers)


def assert_refused_in_time(url: str, path: str, body: bytes | None = None) -> None:
    """What needs the database is answered with 503, and when to come again, instead of being left to wait."""
    began = time.monotonic()
    method = "GET" if body is None else "POST"
    with request(url, path, method=method, body=body) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert time.monotonic() - began < 5 + PATIENCE_SECONDS

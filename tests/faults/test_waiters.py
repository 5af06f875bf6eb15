"""A create without `background` whose web process dies: nobody else would cancel its job, or forget it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import func, select

from jobs.job import Status
from jobs.storage.schema import jobs
from tests.support.assertions import row_of
from tests.support.stack import Stack, running_stack, wait_for


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("waiters") / "data", PENSTOCK_LEASE_SECONDS="3") as running:
        yield running


def post(stack: Stack, **body: object) -> socket.socket:
    """A create whose answer nobody reads yet."""
    address = urlsplit(stack.url)
    content = json.dumps(body).encode()
    head = f"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n\r\n"
    connection = socket.create_connection((address.hostname or "", address.port or 0))
    connection.sendall(head.encode() + content)
    return connection


def only_job(stack: Stack) -> str | None:
    with stack.database.read() as connection:
        return connection.execute(select(jobs.c.id)).scalar_one_or_none()


def test_a_web_process_that_is_killed_leaves_nothing_that_runs_or_stays(stack: Stack) -> None:
    with post(stack, input="nobody waits [[demo tokens=9000 rate=30]]", store=False):
        stack.model.wait("nobody waits", "request")
        stack.webs[-1].kill()
    wait_for(lambda: stack.model.stats("nobody waits").get("closed_by_client"), 30)
    wait_for(lambda: only_job(stack) is None, 30)
    assert stack.redis.keys("penstock:{*") == []
    stack.restart_web()


def test_a_second_try_after_the_web_process_died_buys_nothing_again(stack: Stack) -> None:
    body = {"input": "sent twice [[demo tokens=60 rate=20]]"}
    with post(stack, **body):
        stack.model.wait("sent twice", "request")
        stack.webs[-1].kill()
    stack.restart_web()
    request = Request(
        f"{stack.url}/v1/responses", json.dumps(body).encode(), {"x-stainless-retry-count": "1"}, method="POST"
    )
    with urlopen(request, timeout=60) as answer:
        assert json.load(answer)["status"] == "completed"
    with stack.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(jobs)).scalar_one() == 1
    assert stack.model.stats("sent twice")["requests"] == 1


def test_a_client_that_resets_its_connection_stops_the_spend(stack: Stack) -> None:
    connection = post(stack, input="reset [[demo tokens=9000 rate=30]]", stream=True)
    stack.model.wait("reset", "request")
    assert connection.recv(1)  # and what else has come is never read: the kernel answers with a reset
    connection.close()
    wait_for(lambda: stack.model.stats("reset").get("closed_by_client"), 10)
    job = only_job(stack)
    assert job
    wait_for(lambda: row_of(stack.database, job).status == Status.CANCELLED)

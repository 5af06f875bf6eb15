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
from tests.support.stack import Stack, stack, wait_for


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("waiters") / "data", PENSTOCK_LEASE_SECONDS="3") as running:
        yield running


def post(house: Stack, **body: object) -> socket.socket:
    """A create whose answer nobody reads yet."""
    address = urlsplit(house.url)
    content = json.dumps(body).encode()
    head = f"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n\r\n"
    connection = socket.create_connection((address.hostname or "", address.port or 0))
    connection.sendall(head.encode() + content)
    return connection


def only_job(house: Stack) -> str | None:
    with house.database.read() as connection:
        return connection.execute(select(jobs.c.id)).scalar_one_or_none()


def test_a_web_process_that_is_killed_leaves_nothing_that_runs_or_stays(house: Stack) -> None:
    with post(house, input="nobody waits [[demo tokens=9000 rate=30]]", store=False):
        house.model.wait("nobody waits", "request")
        house.webs[-1].kill()
    wait_for(lambda: house.model.stats("nobody waits").get("closed_by_client"), 30)
    wait_for(lambda: only_job(house) is None, 30)
    assert house.redis.keys("penstock:{*") == []
    house.restart_web()


def test_a_second_try_after_the_web_process_died_buys_nothing_again(house: Stack) -> None:
    body = {"input": "sent twice [[demo tokens=60 rate=20]]"}
    with post(house, **body):
        house.model.wait("sent twice", "request")
        house.webs[-1].kill()
    house.restart_web()
    request = Request(
        f"{house.url}/v1/responses", json.dumps(body).encode(), {"x-stainless-retry-count": "1"}, method="POST"
    )
    with urlopen(request, timeout=60) as answer:
        assert json.load(answer)["status"] == "completed"
    with house.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(jobs)).scalar_one() == 1
    assert house.model.stats("sent twice")["requests"] == 1


def test_a_client_that_resets_its_connection_stops_the_spend(house: Stack) -> None:
    connection = post(house, input="reset [[demo tokens=9000 rate=30]]", stream=True)
    house.model.wait("reset", "request")
    assert connection.recv(1)  # and what else has come is never read: the kernel answers with a reset
    connection.close()
    wait_for(lambda: house.model.stats("reset").get("closed_by_client"), 10)
    job = only_job(house)
    assert job
    wait_for(lambda: row_of(house.database, job).status == Status.CANCELLED)

"""Thousands of requests that are begun and never ended keep nobody else waiting."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from tests.support.stack import Stack, Viewer, running_stack, wait_for

SECONDS = 3.0
MANY = 2100
# On Linux all of 127.0.0.0/8 is this machine: the bystander comes from another address.
ATTACKER = "127.0.0.2"
HEAD = b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
HALF_BODY = HEAD + b'Content-Length: 100\r\n\r\n{"background"'


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("half") / "data", PENSTOCK_REQUEST_SECONDS=str(SECONDS)) as running:
        yield running


@contextmanager
def many_files() -> Iterator[None]:
    """As many open files as the attack needs; skips where that is not allowed."""
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MANY
    if soft < wanted and hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine allows only {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def begun(url: str, data: bytes, source: str = ATTACKER) -> socket.socket:
    """A connection on which so much has been sent."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname or "", address.port or 0), 20, (source, 0))
    connection.sendall(data)
    return connection


@pytest.mark.exclusive
@pytest.mark.parametrize("data", [HALF_BODY, HEAD, b""], ids=["bodies", "heads", "nothing"])
def test_invariant_11_bystanders_go_on_while_requests_are_half_sent(stack: Stack, data: bytes) -> None:
    with many_files(), stack.client() as client, ExitStack() as connections:
        job = client.responses.create(input="goes on [[demo tokens=4000 rate=100]]", background=True)
        viewer = Viewer(client, job.id)
        viewer.read(10)
        for _ in range(MANY):
            connections.enter_context(begun(stack.url, data))
        seen = len(viewer.events)
        for _ in range(5):
            start = time.monotonic()
            with urlopen(f"{stack.url}/healthz", timeout=10) as answer:
                assert answer.status == 200
            assert time.monotonic() - start < 1
        client.responses.create(input="another [[demo tokens=3]]", background=True)
        wait_for(lambda: len(viewer.events) > seen + 5)
        client.responses.cancel(job.id)
        assert viewer.ended()[-1].response.status == "cancelled"


def test_a_request_that_does_not_come_in_time_is_408(stack: Stack) -> None:
    start = time.monotonic()
    with begun(stack.url, HALF_BODY) as connection:
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not come within 3 seconds" in answer
    assert SECONDS - 0.5 < time.monotonic() - start < SECONDS + 5


def test_bytes_that_trickle_do_not_extend_the_time(stack: Stack) -> None:
    with begun(stack.url, HALF_BODY) as connection:
        connection.settimeout(0.5)
        answer = b""
        for _ in range(40):
            connection.sendall(b" ")
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                continue
            break
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_one_too_many_from_an_address_is_told_so(stack: Stack) -> None:
    with ExitStack() as connections:
        held = [connections.enter_context(begun(stack.url, HALF_BODY, "127.0.0.3")) for _ in range(220)]
        held[-1].settimeout(2)
        answer = held[-1].recv(65536)
    assert answer.startswith(b"HTTP/1.1 429 ")
    assert b"Retry-After: 1" in answer
    assert b"Too many connections" in answer


@pytest.mark.exclusive
def test_a_bystanders_body_may_come_after_its_head(stack: Stack) -> None:
    body = b'{"input": "a bystander [[demo tokens=3]]", "background": true}'
    with ExitStack() as connections:
        for _ in range(220):
            connections.enter_context(begun(stack.url, HALF_BODY))
        bystander = connections.enter_context(
            begun(stack.url, HEAD + b"Content-Length: %d\r\n\r\n" % len(body), "127.0.0.4")
        )
        time.sleep(0.2)  # its head is read, and its body waited for
        bystander.sendall(body)
        assert bystander.recv(12) == b"HTTP/1.1 200"

"""Whether a client has left: however it closes, and whatever it had sent before."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from tests.support.stack import wait_for
from web.relay.disconnect import has_left, on_disconnect


def test_a_client_on_a_unix_socket_is_there_until_it_closes() -> None:
    server, client = socket.socketpair()
    with server, client:
        assert not has_left(server)
        client.close()
        assert has_left(server)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's end of one TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        with client, server:
            yield server, client


def test_a_client_that_waits_is_there(ends: tuple[socket.socket, socket.socket]) -> None:
    server, client = ends
    assert not has_left(server)
    client.sendall(b"GET / HTTP/1.1\r\n")  # its next request
    wait_for(lambda: server.recv(1, socket.MSG_PEEK))
    assert not has_left(server)


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_closes_has_left(ends: tuple[socket.socket, socket.socket], pending: bool, reset: bool) -> None:
    server, client = ends
    if pending:
        client.sendall(b"GET / HTTP/1.1\r\n")
        wait_for(lambda: server.recv(1, socket.MSG_PEEK))
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    wait_for(lambda: has_left(server), 2)


def test_leaving_is_told_once_and_not_afterwards(ends: tuple[socket.socket, socket.socket]) -> None:
    server, client = ends
    departures: list[int] = []
    left = threading.Event()

    def leave() -> None:
        departures.append(1)
        left.set()

    with on_disconnect({"gunicorn.socket": server}, leave):
        client.close()
        assert left.wait(5)
    with on_disconnect({}, leave):
        pass
    assert departures == [1]

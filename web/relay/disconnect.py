"""Notices that a client has left while its answer is being waited for."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_LOOK_SECONDS = 0.5
_ESTABLISHED = 1  # the state in the first byte of Linux's tcp_info


@contextmanager
def on_disconnect(environ: Mapping[str, Any], leave: Callable[[], object]) -> Iterator[None]:
    """Call `leave` within a second of the client's closing or resetting its connection, for as long as this lasts.

    Otherwise only a write tells, and only the second one: a closed socket takes the first. Under another server than
    gunicorn, which hands over the socket, heartbeats have to do.
    """
    connection = environ.get("gunicorn.socket")
    over = threading.Event()

    def watch(connection: socket.socket) -> None:
        while not over.wait(_LOOK_SECONDS):
            if has_left(connection):
                leave()
                return

    if connection is not None:
        threading.Thread(target=watch, args=[connection], name="disconnect", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def has_left(connection: socket.socket) -> bool:
    """Whether the client has closed or reset the connection, unread bytes notwithstanding. Never blocks."""
    try:
        if hasattr(socket, "TCP_INFO") and connection.family in (socket.AF_INET, socket.AF_INET6):
            return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED
        if not select.select([connection], [], [], 0)[0]:
            return False
        return not connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return True

"""Notices that a client has left while its answer is being waited for."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_LOOK_SECONDS = 1.0


@contextmanager
def on_disconnect(environ: Mapping[str, Any], leave: Callable[[], object]) -> Iterator[None]:
    """Call `leave` as soon as the client closes its connection, for as long as this lasts.

    Between two writes nothing else would tell: the next one may be a heartbeat away, and two are needed.
    Under another server than gunicorn, which hands over the socket, heartbeats have to do.
    """
    connection, over = environ.get("gunicorn.socket"), threading.Event()

    def watch(connection: socket.socket) -> None:
        while not over.is_set():
            if select.select([connection], [], [], _LOOK_SECONDS)[0]:
                # Bytes instead of an end are the client's next request: it is there, and it waits.
                if not over.is_set() and _is_closed(connection):
                    leave()
                return

    if connection is not None:
        threading.Thread(target=watch, args=[connection], name="departure", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _is_closed(connection: socket.socket) -> bool:
    """Whether the client has closed its end, or reset the connection: that is an error here."""
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return True

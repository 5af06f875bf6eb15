"""Whether the client at the other end of a connection has closed it."""

from __future__ import annotations

import select
import socket

_ESTABLISHED = 1  # the state in the first byte of Linux's tcp_info


def has_left(connection: socket.socket) -> bool:
    """Whether the client has closed or reset the connection, read or unread bytes notwithstanding. Never blocks.

    Without this only a write tells, and only the second one: a closed socket takes the first.
    """
    try:
        if hasattr(socket, "TCP_INFO"):
            return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED
        if not select.select([connection], [], [], 0)[0]:
            return False
        return not connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return True

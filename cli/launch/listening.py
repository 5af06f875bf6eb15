"""Sockets bound before anything starts: a port in use is said at once, and a restart loses no connection."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Self

from cli.exit_codes import CommandError

_BACKLOG = 2048
# An address that means "all of them" is listened on, but cannot be visited.
_VISIT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, never bound by default


@dataclass(frozen=True)
class Listener:
    """A listening socket, and the address at which this machine reaches it."""

    socket: socket.socket
    host: str
    port: int

    @property
    def fd(self) -> int:
        """The number of the socket, for children to inherit."""
        return self.socket.fileno()

    @property
    def url(self) -> str:
        """The address that a person opens, without a slash at the end."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def listen(host: str, port: int) -> Listener:
    """Bind and listen; port 0 takes any that is free. Raises CommandError, one line that names the remedy."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(f"port {port} is in use: choose another with --port") from error
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return Listener(bound, _VISIT.get(host, host), bound.getsockname()[1])

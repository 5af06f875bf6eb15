"""A connection to a model server: the head of an answer for httpcore, the body for whoever wants it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpcore2
import httpx2

_READ_BYTES = 65536


class Connection(httpcore2.NetworkStream):
    """httpcore's stream, of which the head is given away a line at a time.

    httpcore would otherwise have read the first bytes of the body with the head, and shows them to nobody.
    """

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream
        self._ahead = b""
        self._in_head = True

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As httpcore wants it."""
        data = self._ahead or self._stream.read(max_bytes, timeout)
        end = (data.find(b"\n") + 1 or len(data)) if self._in_head else max_bytes
        self._ahead = data[end:]
        return data[:end]

    def end_head(self) -> None:
        """What comes from now on is the body."""
        self._in_head = False

    def body(self) -> Iterator[bytes]:
        """The bytes of the body as they come, until the server closes; shutting the socket ends the wait for them.

        Raises httpx2.ReadError.
        """
        connection: socket.socket = self.get_extra_info("socket")
        try:
            connection.settimeout(None)  # with a time-out, each read is two system calls more
            data = self._ahead or connection.recv(_READ_BYTES)
            self._ahead = b""
            while data:
                yield data
                data = connection.recv(_READ_BYTES)
        except OSError as error:
            raise httpx2.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As httpcore wants it."""
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        """As httpcore wants it."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Connection:
        """As httpcore wants it."""
        return Connection(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """As httpcore wants it."""
        return self._stream.get_extra_info(info)

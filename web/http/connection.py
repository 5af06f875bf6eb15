"""A client's connection while its request is read: a request comes in time, or makes room for those of others."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from werkzeug.exceptions import RequestTimeout, TooManyRequests

_TOO_MANY = "Too many connections from here wait for the rest of a request. Send requests whole, or fewer at once."
_REFUSAL = (
    f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    f"Content-Length: {len(_TOO_MANY)}\r\n\r\n{_TOO_MANY}"
).encode()
# An IPv6 network of this size belongs to one customer.
_IPV6_PREFIX = 64


class TooManyWaiting(TooManyRequests):
    """An address or an owner has as many half-sent requests as it may."""

    description = _TOO_MANY
    retry_after = 1


@dataclass
class WaitingRequests:
    """The requests of this process of which not everything has come, by who sends them.

    `seconds` is how long one may take from its first byte to its last; `limit` how many one address, and one owner, may
    have at once.
    """

    seconds: float
    limit: int
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_full(self, name: str) -> bool:
        """Whether so many wait under this name that another connection need not be read at all."""
        return self._counts[name] >= self.limit

    @contextmanager
    def wait(self, *names: str) -> Iterator[None]:
        """Counts a request under each of the names, for as long as this lasts. Raises TooManyWaiting."""
        with self._lock:
            if any(self._counts[name] >= self.limit for name in names):  # invariant 11
                raise TooManyWaiting
            self._counts.update(names)
        try:
            yield
        finally:
            with self._lock:
                self._counts.subtract(names)
                for name in names:
                    if not self._counts[name]:
                        del self._counts[name]


class Connection:
    """A client's socket; all that is not about reading is the socket's own."""

    def __init__(self, client: socket.socket, waiting: WaitingRequests, address: str) -> None:
        """`address` is the client's, or empty when it is only that of a proxy, whose requests are many people's."""
        self._socket = client
        self._waiting = waiting
        self._address = network_of(address)
        self._owner = ""
        self._begun: float | None = time.monotonic()
        self._reads_body = False
        self._is_over = False
        self._is_new = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    @property
    def plain(self) -> socket.socket:
        """The socket itself."""
        return self._socket

    def begin_body(self, address: str) -> None:
        """The head of a request has come, which tells the client's address behind a proxy."""
        self._reads_body = True
        self._address = network_of(address)

    def belongs_to(self, owner: str) -> None:
        """The request has shown whose it is."""
        self._owner = owner

    def end_request(self) -> None:
        """The request is answered: what comes next is another one."""
        self._reads_body = False
        self._owner = ""
        self._begun = None

    def recv(self, size: int, flags: int = 0) -> bytes:
        """The next bytes. Behind the deadline, or for one too many, none; inside a body that is an HTTP error."""
        if self._is_over:
            return b""
        if self._is_new and self._waiting.is_full(self._address):
            self._is_over = True
            self._refuse()
            return b""
        self._is_new = False
        try:
            data = self._received(size, flags)
        except (TimeoutError, TooManyWaiting) as error:
            self._is_over = True
            if self._reads_body:
                raise self._as_http(error) from error
            if isinstance(error, TooManyWaiting) and self._begun is not None:
                self._refuse()
            return b""
        finally:
            self._socket.settimeout(None)
        if self._begun is None:
            self._begun = time.monotonic()
        return data

    def _received(self, size: int, flags: int) -> bytes:
        # Whoever has sent all of a request at once does not count, however many they are.
        self._socket.settimeout(0)
        with suppress(BlockingIOError):
            return self._socket.recv(size, flags)
        names = [name for name in (self._address, self._owner and f"owner {self._owner}") if name]
        if self._begun is None:
            # Between two requests gunicorn's `keepalive` is the limit of time.
            names = [f"idle {name}" for name in names]
        with self._waiting.wait(*names):
            self._socket.settimeout(None if self._begun is None else self._left(self._begun))
            return self._socket.recv(size, flags)

    def _refuse(self) -> None:
        with suppress(OSError):
            self._socket.sendall(_REFUSAL)

    def _left(self, begun: float) -> float:
        left = begun + self._waiting.seconds - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _as_http(self, error: Exception) -> Exception:
        if isinstance(error, TooManyWaiting):
            return error
        return RequestTimeout(f"The request did not come within {self._waiting.seconds:g} seconds.")


def network_of(address: str) -> str:
    """The name under which an address is counted: an IPv6 address with all others of its network."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""  # a socket of this machine
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))

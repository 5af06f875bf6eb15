"""One POST to an address that a user named: only to a network that is allowed, within a time, followed nowhere."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from jobs.errors import PenstockError
from jobs.webhooks.address import is_public

SECONDS = 10.0
_MOST_ADDRESSES = 3
# What is left for a name that took all the time to resolve.
_LEAST_SECONDS = 0.1


class NotDelivered(PenstockError):
    """No answer came; the message is the code of the problem."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool, seconds: float = SECONDS) -> int:
    """The status that the address answers within so many seconds. Raises NotDelivered.

    The name is resolved once, and what it gives is checked and then connected to: it cannot lead elsewhere in between.
    """
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    host = parts.hostname or ""
    port = parts.port or (443 if is_tls else 80)
    deadline = time.monotonic() + seconds
    addresses = _allowed(_resolved(host, port, seconds), is_tls=is_tls, allow_private=allow_private)
    left = max(deadline - time.monotonic(), _LEAST_SECONDS)
    connection = _Connection(host, port, addresses, is_tls=is_tls, seconds=left)
    watch = threading.Timer(left, connection.cut)
    watch.daemon = True
    watch.start()
    try:
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        connection.request("POST", target if target.startswith("/") else f"/{target}", body, dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise NotDelivered(_problem(error, is_cut=connection.is_cut)) from error
    finally:
        watch.cancel()
        connection.close()


def _resolved(host: str, port: int, seconds: float) -> list[str]:
    """The name's addresses. The resolver knows no time of ours: one that takes longer is left behind in its thread."""
    answer = SimpleQueue[list[str]]()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            found = []
        answer.put([str(address[0]).partition("%")[0] for *_, address in found])

    threading.Thread(target=resolve, daemon=True).start()
    with suppress(Empty):
        if addresses := answer.get(timeout=seconds):
            return addresses
    raise NotDelivered("unresolved")


def _allowed(addresses: list[str], *, is_tls: bool, allow_private: bool) -> list[str]:
    """Those that may be connected to: public ones over TLS, and private ones only where the operator allows them."""
    public = [address for address in addresses if is_public(ip_address(address))]
    private = [address for address in addresses if address not in public] if allow_private else []
    allowed = [*(public if is_tls else ()), *private][:_MOST_ADDRESSES]
    if not allowed:
        raise NotDelivered("no_tls" if public else "private_address")
    return allowed


def _problem(error: Exception, *, is_cut: bool) -> str:
    if is_cut or isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError):
        return "bad_certificate" if isinstance(error, ssl.SSLCertVerificationError) else "tls_failed"
    return "unreachable" if isinstance(error, OSError) else "bad_answer"


class _Connection(http.client.HTTPConnection):
    """A connection to the first of these addresses that takes it, with the name's own certificate."""

    def __init__(self, host: str, port: int, addresses: list[str], *, is_tls: bool, seconds: float) -> None:
        super().__init__(host, port, timeout=seconds / len(addresses))
        self.default_port = 443 if is_tls else 80  # left out of the header `Host`
        self.is_cut = False
        self._addresses = addresses
        self._is_tls = is_tls

    def connect(self) -> None:
        """Raises OSError when no address takes the connection."""
        failure: OSError | None = None
        for address in self._addresses:
            try:
                self.sock: Any = socket.create_connection((address, self.port), self.timeout)
                break
            except OSError as error:
                failure = error
        else:
            raise failure or TimeoutError
        if self._is_tls:
            # Kept before the handshake, so that it can be cut.
            self.sock = _tls().wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            if self.is_cut:
                raise TimeoutError
            self.sock.do_handshake()

    def cut(self) -> None:
        """Let whoever waits for the other side fail now; from any thread."""
        self.is_cut = True
        if self.sock is not None:
            with suppress(OSError):  # it is not connected yet, or no longer
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


@cache
def _tls() -> ssl.SSLContext:
    """What checks certificates; made once, because it reads all authorities."""
    return ssl.create_default_context()

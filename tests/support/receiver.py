"""An endpoint of webhooks: keeps what it is sent, and answers what it is told."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from tests.support.stack import wait_for


class Received(NamedTuple):
    """One request: its path, headers and body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = orjson.loads(self.body)
        return event


class Receiver:
    """Answers each path with the status that `statuses` has for it, else 204; those in `hanging` get no answer."""

    def __init__(self, scheme: str) -> None:
        self.requests: list[Received] = []
        self.statuses: dict[str, int] = {}
        self.hanging: set[str] = set()
        self.released = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self.server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                if self.path in receiver.hanging:
                    receiver.released.wait(60)
                    return
                self.send_response(receiver.statuses.get(self.path, 204))
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Tests have their own words."""

        return Answer

    def at(self, path: str, count: int = 1) -> list[Received]:
        """What came to a path, as soon as so much did."""
        return wait_for(lambda: found if len(found := self.seen(path)) >= count else None, 60)

    def seen(self, path: str) -> list[Received]:
        """What has come to a path so far."""
        return [request for request in list(self.requests) if request.path == path]


@contextmanager
def receiver(certificate: tuple[Path, Path] | None = None) -> Iterator[Receiver]:
    """A running receiver, over TLS with a certificate and its key."""
    made = Receiver("https" if certificate else "http")
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        made.server.socket = context.wrap_socket(made.server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.released.set()
        made.server.shutdown()
        made.server.server_close()
        thread.join()

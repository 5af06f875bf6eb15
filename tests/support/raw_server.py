"""A model server that sends exactly the bytes that it is told, then closes, resets or holds the connection."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

CLOSE, RESET, HOLD = "close", "reset", "hold"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Reply:
    """What one request gets: pieces of bytes with a pause of `gap` seconds between, and how the connection ends."""

    pieces: Sequence[bytes]
    end: str = CLOSE
    gap: float = 0.0


def chunk(content: str | None = None, finish: Any = None, **delta: Any) -> bytes:
    """A chunk of an answer as OpenAI sends it."""
    delta = ({} if content is None else {"content": content}) | delta
    return data({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def data(value: Any) -> bytes:
    """An event whose data is this value as JSON, or these very words."""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"data: {text}\n\n".encode()


USAGE = data({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})
DONE = b"data: [DONE]\n\n"


def events(*pieces: bytes, end: str = CLOSE, gap: float = 0.0) -> Reply:
    """A stream of these pieces."""
    return Reply([HEAD, *pieces], end, gap)


def answer(text: str = "Yes.") -> Reply:
    """A good answer."""
    return events(chunk(text), chunk(finish="stop"), USAGE, DONE)


def http(status: int, value: Any, *headers: str, kind: str = "application/json") -> Reply:
    """A whole response: JSON, or a text as it is."""
    body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return Reply(["\r\n".join([*lines, "Connection: close", "", ""]).encode() + body])


class RawServer:
    """Gives each request the next of its replies, the last one again and again; a function makes one of the body."""

    def __init__(
        self, *replies: Reply | Callable[[dict[str, Any]], Reply], port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.replies = list(replies)
        self._tls = tls
        self.bodies: list[dict[str, Any]] = []
        self._socket = socket.create_server(("127.0.0.1", port))
        self._closed = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The base URL of its API."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    @property
    def requests(self) -> int:
        """How many completions were asked for."""
        return len(self.bodies)

    def close(self) -> None:
        """Take no more connections, and leave those that are held."""
        self._closed.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        with (
            suppress(OSError),
            accepted,
            self._tls.wrap_socket(accepted, server_side=True) if self._tls else accepted as connection,
        ):
            stream = connection.makefile("rb")
            line = stream.readline()
            length = 0
            while (header := stream.readline().strip()) != b"":
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            body = stream.read(length)
            if line.startswith(b"GET"):
                self._send(connection, http(200, {"data": [{"id": "raw", "object": "model"}]}))
                return
            with self._lock:
                reply = self.replies[min(len(self.bodies), len(self.replies) - 1)]
                self.bodies.append(json.loads(body))
            self._send(connection, reply if isinstance(reply, Reply) else reply(self.bodies[-1]))

    def _send(self, connection: socket.socket, reply: Reply) -> None:
        for number, piece in enumerate(reply.pieces):
            if number:
                self._closed.wait(reply.gap)
            connection.sendall(piece)
        if reply.end == RESET:
            self._closed.wait(0.2)  # a reset takes away what the client has not read yet
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        elif reply.end == HOLD:
            with suppress(OSError):
                connection.recv(1)


@contextmanager
def raw_server(
    *replies: Reply | Callable[[dict[str, Any]], Reply], port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[RawServer]:
    """Such a server."""
    server = RawServer(*replies, port=port, tls=tls)
    try:
        yield server
    finally:
        server.close()

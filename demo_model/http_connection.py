"""HTTP/1.1 as far as the demo model needs it, and the faults: resets, bodies that just end, single bytes."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from typing import Any
from urllib.parse import parse_qsl, urlsplit

NO_LINGER = struct.pack("ii", 1, 0)


class HttpError(Exception):
    """The request gets an error `status`, in OpenAI's envelope, instead of an answer; the message is for a person."""

    def __init__(self, message: str, status: int = 400, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        kind = "server_error" if status >= 500 else "invalid_request_error"
        self.status, self.headers = status, headers
        self.body = {"error": {"message": message, "type": kind, "param": None, "code": code}}


def encode(value: Any) -> bytes:
    """Compact JSON; a lone surrogate, which UTF-8 cannot hold, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


async def read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    """A client's request: method and path without `/v1`; query; body.

    IncompleteReadError if the client goes before it is whole, HttpError if it is none.
    """
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.partition("\r\n")[0].split(" ")
        length = re.search(r"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1]) if length else 0)
    except (ValueError, asyncio.LimitOverrunError):
        raise HttpError("This is not an HTTP/1.1 request.") from None
    url = urlsplit(target)
    return f"{method} {url.path.removeprefix('/v1')}", dict(parse_qsl(url.query)), body


class HttpResponse:
    """The answer to one request: a whole body, or lines of a stream. The connection ends with it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._chunked = self._single_bytes = False
        # Drained then means handed to the kernel, so that what is counted as sent was sent.
        writer.transport.set_write_buffer_limits(high=0)

    async def whole(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
        """Send a complete response."""
        await self._head(status, {"Content-Type": kind, "Content-Length": str(len(body)), **headers})
        await self._send(body)

    async def json(self, value: Any, status: int = 200, **headers: str) -> None:
        """Send a complete response that is JSON."""
        await self.whole(encode(value), "application/json", status, **headers)

    async def begin(self, *, chunked: bool, single_bytes: bool) -> None:
        """Send the head of an event stream: each line in an HTTP chunk, or else until the connection closes."""
        self._chunked, self._single_bytes = chunked, single_bytes
        framing = {"Transfer-Encoding": "chunked"} if chunked else {}
        await self._head(200, {"Content-Type": "text/event-stream; charset=utf-8", **framing})

    async def line(self, line: bytes) -> None:
        """Send a line of the stream and the blank one after it."""
        line += b"\n\n"
        for piece in [line[at : at + 1] for at in range(len(line))] if self._single_bytes else [line]:
            await self._send(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)

    async def end(self, last: bytes) -> None:
        """Send the last line, unless it is empty, and end the stream as HTTP wants it ended."""
        if last:
            await self.line(last)
        if self._chunked:
            await self._send(b"0\r\n\r\n")

    def reset(self) -> None:
        """Break the connection with a TCP reset instead of an orderly end."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._writer.transport.abort()

    async def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"{name}: {value}" for name, value in {**headers, "Connection": "close"}.items()]
        await self._send("\r\n".join([f"HTTP/1.1 {status} ", *lines, "", ""]).encode("latin-1"))

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

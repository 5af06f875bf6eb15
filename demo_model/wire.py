"""HTTP/1.1 as far as the demo model needs it, and the faults: resets, bodies that just end, single bytes."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from demo_model.refusal import Refused

FLUSH_BYTES = 16 * 1024
NO_LINGER = struct.pack("ii", 1, 0)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Connection(asyncio.StreamReaderProtocol):
    """A client. `serve` runs in a task of its own, which is cancelled at the moment when the client goes."""

    def __init__(self, serve: Serve) -> None:
        self._reader = asyncio.StreamReader()
        self._serve = serve
        super().__init__(self._reader)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        transport = cast(asyncio.Transport, transport)
        # Drained then means handed to the kernel, so that what the ledger counts as sent was sent.
        transport.set_write_buffer_limits(high=0)
        writer = asyncio.StreamWriter(transport, self, self._reader, asyncio.get_running_loop())
        self._serving = asyncio.ensure_future(self._serve(self._reader, writer))

    def eof_received(self) -> bool:
        self._serving.cancel()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._serving.cancel()


@dataclass(frozen=True)
class Request:
    """One HTTP request; its `route` is the method and the path without `/v1`."""

    route: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


async def read_request(reader: asyncio.StreamReader) -> Request:
    """The next request on a connection; IncompleteReadError at its end, Refused if it is not to be read."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        if "transfer-encoding" in headers:
            raise Refused("Send the body with a Content-Length, not in chunks.", status=411)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except (ValueError, asyncio.LimitOverrunError):
        raise Refused("This is not an HTTP/1.1 request.") from None
    url = urlsplit(target)
    return Request(f"{method} {url.path.removeprefix('/v1')}", dict(parse_qsl(url.query)), headers, body)


class Reply:
    """The answer to one request: a whole body, or lines of a stream, each in an HTTP chunk of its own.

    `last` is set when the connection cannot take another request.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.last = False
        self._writer = writer
        self._single_bytes = False
        self._pending: list[bytes] = []
        self._size = 0

    async def whole(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
        """Send a complete response."""
        self._head(status, {"Content-Type": kind, "Content-Length": str(len(body)), **headers})
        self._pending.append(body)
        await self.flush()

    async def json(self, value: Any, status: int = 200, **headers: str) -> None:
        """Send a complete response that is JSON."""
        await self.whole(encode(value), "application/json", status, **headers)

    async def begin(self, *, chunked: bool, single_bytes: bool) -> None:
        """Send the head of an event stream: in HTTP chunks, or else until the connection closes."""
        self.last, self._single_bytes = not chunked, single_bytes
        framing = {"Transfer-Encoding": "chunked"} if chunked else {"Connection": "close"}
        self._head(200, {"Content-Type": "text/event-stream; charset=utf-8", **framing})
        await self.flush()

    async def line(self, line: bytes) -> None:
        """Queue a line of the stream and the blank one after it; send when enough is queued."""
        line += b"\n\n"
        for piece in (line[at : at + 1] for at in range(len(line))) if self._single_bytes else (line,):
            self._pending.append(piece if self.last else b"%x\r\n%b\r\n" % (len(piece), piece))
        self._size += len(line)
        if self._size > FLUSH_BYTES:
            await self.flush()

    async def end(self) -> None:
        """Send what is queued and end the stream as HTTP wants it ended."""
        if not self.last:
            self._pending.append(b"0\r\n\r\n")
        await self.flush()

    async def flush(self) -> None:
        """Send what is queued, if anything is, and give way to the other connections."""
        writes = self._pending if self._single_bytes else [b"".join(self._pending)]
        self._pending, self._size = [], 0
        for data in filter(None, writes):
            self._writer.write(data)
            await self._writer.drain()
            await asyncio.sleep(0)

    def reset(self) -> None:
        """Break the connection with a TCP reset instead of an orderly end."""
        self.last = True
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._writer.transport.abort()

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._pending.append("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))


def encode(value: Any) -> bytes:
    """Compact JSON; a lone surrogate, which UTF-8 cannot hold, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

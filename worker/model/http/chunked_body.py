"""The body of a streamed answer, in its usual form read straight from the socket.

Servers send each token as a chunk (RFC 9112, 7.1) of its own. Through httpx, httpcore and h11 a chunk costs 30 us, more
than all that is done with its token; here all that has come is taken apart in one go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import httpx2

from worker.model.cancellation import current_call
from worker.model.http.connection import Connection

_HEADER = rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\n]*)?\r?\n"
_FIRST_HEADER = re.compile(_HEADER)
_NEXT_HEADER = re.compile(rb"\r?\n" + _HEADER)  # behind the end of the chunk before it
_LONGEST_HEADER = 4096


def body_of(response: httpx2.Response) -> Iterator[bytes]:
    """The bytes of a response's body as they come. Raises httpx2.TransportError when they end too early."""
    connection = response.extensions.get("network_stream")
    call = current_call.get()
    if call is None:  # nobody would shut the socket: httpx has time limits
        return response.iter_bytes()
    if (
        isinstance(connection, Connection)
        and response.http_version == "HTTP/1.1"
        and response.headers.get("transfer-encoding", "").lower() == "chunked"
        and response.headers.get("content-encoding", "identity").lower() == "identity"
    ):
        return chunked(map(call.heard, connection.body()))
    return map(call.heard, response.iter_bytes())


def chunked(body: Iterable[bytes]) -> Iterator[bytes]:
    """What is in the chunks of a body. Raises httpx2.RemoteProtocolError where they are broken or end too early."""
    header = _FIRST_HEADER
    rest, left = b"", 0  # bytes whose header has not come whole, and how many more the present chunk has
    for data in body:
        rest += data
        position, pieces = 0, list[bytes]()
        while True:
            if not left:
                found = header.match(rest, position)
                if found is None:
                    break
                header, position, left = _NEXT_HEADER, found.end(), int(found[1], 16)
                if not left:
                    yield b"".join(pieces)
                    return
            piece = rest[position : position + left]
            pieces.append(piece)
            position += len(piece)
            left -= len(piece)
            if left:
                break
        rest = rest[position:]
        if not left and (rest.find(b"\n", 2) > 0 or len(rest) > _LONGEST_HEADER):
            raise httpx2.RemoteProtocolError(f"illegal chunk header: {rest[:40]!r}")
        yield b"".join(pieces)
    raise httpx2.RemoteProtocolError(
        "peer closed connection without sending complete message body (incomplete chunked read)"
    )

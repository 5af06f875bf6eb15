"""Two framings of the same frames.

OpenAI's has no `id:` and no `retry:`: behind either, openai-python takes a comment for an empty event and
fails. EventSource's has both, because a browser continues by them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
from flask import Response

from jobs.protocol import events

# Headers go out with the first bytes; without any, proxies and browsers wait for them.
_HELLO = b": penstock\n\n"
PING = b": ping\n\n"
# A closed socket shows only on the second write, so a gone viewer costs up to two heartbeats.
HEARTBEAT_SECONDS = 8.0


def openai(frames: Iterable[bytes]) -> Response:
    """The frames as they are, with comments between them while there are none."""
    return _response(piece or PING for piece in _greeted(frames))


def event_source(frames: Iterable[bytes]) -> Response:
    """Each frame with its number as `id:`, by which a browser continues after a break."""
    return framed(PING if not piece or piece is _HELLO else with_ids(piece) for piece in _greeted(frames))


def without_ids(frames: bytes) -> bytes:
    """Joined frames as OpenAI's clients read them."""
    return frames


def with_ids(frames: bytes) -> bytes:
    """Joined frames as a browser reads them."""
    return b"".join(b"id: %d\n%b" % (events.number_of(frame), frame) for frame in events.split(frames))


def framed(pieces: Iterable[bytes]) -> Response:
    """What is framed for a browser already; it comes back after a break, not all at once with the others."""

    return _response(_jittered(pieces))


def event_frame(kind: str, data: Mapping[str, Any]) -> bytes:
    """One event of the page's own stream."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps(data))


def _jittered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, with `retry:` in the block of the first frame: some clients take a block of its own for an event."""
    yield b"retry: %d\n" % random.randint(500, 3000)
    rest = iter(pieces)
    for piece in rest:
        is_comment = piece.startswith(b":")
        yield piece[:-1] if is_comment else piece  # a blank line would end the block
        if not is_comment:
            break
    yield from rest


def _greeted(frames: Iterable[bytes]) -> Iterator[bytes]:
    yield _HELLO
    yield from frames


def _response(stream: Iterator[bytes]) -> Response:
    response = Response(stream, mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-cache, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response

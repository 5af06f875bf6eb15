"""One streaming event as one finished SSE frame, and what can be read off a frame without parsing it.

A frame is `event: <type>` + `data: <JSON on one line>` + a blank line. It is made once, by the worker; from
there on everybody copies its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import orjson

Event = dict[str, Any]

CREATED = "response.created"
QUEUED = "response.queued"
IN_PROGRESS = "response.in_progress"
COMPLETED = "response.completed"
FAILED = "response.failed"
INCOMPLETE = "response.incomplete"
ITEM_ADDED = "response.output_item.added"
ITEM_DONE = "response.output_item.done"
PART_ADDED = "response.content_part.added"
PART_DONE = "response.content_part.done"
TEXT_DELTA = "response.output_text.delta"
TEXT_DONE = "response.output_text.done"
CALL_DELTA = "response.function_call_arguments.delta"
CALL_DONE = "response.function_call_arguments.done"
REFUSAL_DELTA = "response.refusal.delta"
REFUSAL_DONE = "response.refusal.done"
REASONING_DELTA = "response.reasoning_text.delta"
REASONING_DONE = "response.reasoning_text.done"
SUMMARY_ADDED = "response.reasoning_summary_part.added"
SUMMARY_DELTA = "response.reasoning_summary_text.delta"
SUMMARY_TEXT_DONE = "response.reasoning_summary_text.done"
SUMMARY_DONE = "response.reasoning_summary_part.done"

TERMINAL = frozenset({COMPLETED, FAILED, INCOMPLETE})

_END = b"\n\n"
_NUMBER = b'"sequence_number":'
_TERMINAL_HEADS = tuple(f"event: {kind}\n".encode() for kind in sorted(TERMINAL))
# Readers that split text at Unicode line ends (httpx's iter_lines does) would cut a frame inside its JSON.
_LINE_ENDS = {"\u0085": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_LINE_END_BYTES = tuple((mark.encode(), escape.encode()) for mark, escape in _LINE_ENDS.items())


def frame(kind: str, number: int, fields: Mapping[str, Any]) -> bytes:
    """The SSE frame of one event. `fields` is all but type and number, which come first for `number_of`."""
    data = orjson.dumps({"type": kind, "sequence_number": number, **fields})
    for mark, escape in _LINE_END_BYTES:
        data = data.replace(mark, escape)
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def event_of(frame: bytes) -> Event:
    """The event inside a frame."""
    return cast(Event, orjson.loads(frame[frame.index(b"\ndata: ") + 7 :]))


def number_of(frame: bytes) -> int:
    """The sequence number of a frame, without parsing its JSON."""
    start = frame.index(_NUMBER) + len(_NUMBER)
    return int(frame[start : frame.index(b",", start)])


def is_terminal(frames: bytes) -> bool:
    """Whether the last of these joined frames ends the stream."""
    before = frames.rfind(_END, 0, -len(_END))
    return frames.startswith(_TERMINAL_HEADS, 0 if before < 0 else before + len(_END))


def split(frames: bytes) -> list[bytes]:
    """Joined frames, one by one; JSON has no raw line end, so a blank line is always a border."""
    return [part + _END for part in frames.split(_END)[:-1]]


def events_of(frames: Iterable[bytes]) -> Iterator[Event]:
    """The events of a sequence of single frames."""
    return map(event_of, frames)

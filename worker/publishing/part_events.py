"""The events in the life of an output item's part, by its type: added, its text, done. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from jobs.protocol import events
from jobs.protocol.fold import Item, Part
from jobs.protocol.wire import PartType

Fields = Mapping[str, Any]

# A summary follows its thought in long pieces: it costs few frames.
_LEAST_SUMMARY = 200


class _Names(NamedTuple):
    """What one type of part is called on the wire."""

    added: str
    delta: str
    text_done: str
    done: str
    index_name: str | None
    text: str = "text"


_NAMES = {
    "output_text": _Names(events.PART_ADDED, events.TEXT_DELTA, events.TEXT_DONE, events.PART_DONE, "content_index"),
    "refusal": _Names(
        events.PART_ADDED, events.REFUSAL_DELTA, events.REFUSAL_DONE, events.PART_DONE, "content_index", "refusal"
    ),
    "reasoning_text": _Names(
        events.PART_ADDED, events.REASONING_DELTA, events.REASONING_DONE, events.PART_DONE, "content_index"
    ),
    # A call's arguments are no part on the wire: only their text is begun and ended.
    "arguments": _Names(events.ITEM_ADDED, events.CALL_DELTA, events.CALL_DONE, events.CALL_DONE, None, "arguments"),
    "summary_text": _Names(
        events.SUMMARY_ADDED, events.SUMMARY_DELTA, events.SUMMARY_TEXT_DONE, events.SUMMARY_DONE, "summary_index"
    ),
}


def added(item: Item, part_type: PartType, started: float | None) -> tuple[str, Fields]:
    """The event that adds the item's next part; `started` is told by an item that has waited until now."""
    start = {"penstock": {"started": started}} if item.started is None and started is not None else {}
    part = Part(part_type).to_wire()
    return _NAMES[part_type].added, {**_place(item, part_type, len(item.parts)), "part": part, **start}


def delta(item: Item, index: int, text: str) -> tuple[str, Fields]:
    """The event that adds text to the item's part of this index."""
    part_type = item.parts[index].type
    return _NAMES[part_type].delta, {**_place(item, part_type, index), "delta": text, **_logprobs(part_type)}


def done(item: Item) -> list[tuple[str, Fields]]:
    """The events that end the item's newest part."""
    index = len(item.parts) - 1
    part = item.parts[index]
    ends = _done(item, index, part)
    if part.unsummarised is not None:
        summary = Part("summary_text", [part.text])
        ends += [*summary_delta(item, index, least=1), *_done(item, index, summary)]
    return ends


def _done(item: Item, index: int, part: Part) -> list[tuple[str, Fields]]:
    names = _NAMES[part.type]
    place = _place(item, part.type, index)
    if part.type == "arguments":
        return [(names.text_done, {**place, "name": item.name, "arguments": part.text})]
    return [
        (names.text_done, {**place, names.text: part.text, **_logprobs(part.type)}),
        (names.done, {**place, "part": part.to_wire()}),
    ]


def summary_added(item: Item) -> tuple[str, Fields]:
    """The event that begins the summary of the item's newest part, a thought: it says the same once more."""
    place = _place(item, "summary_text", len(item.parts) - 1)
    return events.SUMMARY_ADDED, {**place, "part": Part("summary_text").to_wire()}


def summary_delta(item: Item, index: int, *, least: int = _LEAST_SUMMARY) -> list[tuple[str, Fields]]:
    """The event that brings a thought's summary up to it; none while it lacks fewer characters than `least`."""
    part = item.parts[index]
    if part.unsummarised is None or part.unsummarised < least:
        return []
    text = part.text[-part.unsummarised :]
    return [(events.SUMMARY_DELTA, {**_place(item, "summary_text", index), "delta": text})]


def _place(item: Item, part_type: str, index: int) -> dict[str, Any]:
    place: dict[str, Any] = {"item_id": item.id, "output_index": item.index}
    if name := _NAMES[part_type].index_name:
        place[name] = index
    return place


def _logprobs(part_type: str) -> dict[str, Any]:
    return {"logprobs": []} if part_type == "output_text" else {}

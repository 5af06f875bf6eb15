"""The events in the life of an output item's part, by its type: added, its text, done. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from jobs.protocol import events
from jobs.protocol.fold import Item, Part

Fields = Mapping[str, Any]


class _Names(NamedTuple):
    """What one type of part is called on the wire."""

    added: str
    delta: str
    text_done: str
    done: str
    index_name: str
    text: str = "text"


_NAMES = {
    "output_text": _Names(events.PART_ADDED, events.TEXT_DELTA, events.TEXT_DONE, events.PART_DONE, "content_index"),
    "refusal": _Names(
        events.PART_ADDED, events.REFUSAL_DELTA, events.REFUSAL_DONE, events.PART_DONE, "content_index", "refusal"
    ),
    "reasoning_text": _Names(
        events.PART_ADDED, events.REASONING_DELTA, events.REASONING_DONE, events.PART_DONE, "content_index"
    ),
    "summary_text": _Names(
        events.SUMMARY_ADDED, events.SUMMARY_DELTA, events.SUMMARY_TEXT_DONE, events.SUMMARY_DONE, "summary_index"
    ),
}


def added(item: Item, part_type: str, started: float | None) -> tuple[str, Fields]:
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
    part = item.parts[-1]
    names = _NAMES[part.type]
    place = _place(item, part.type, len(item.parts) - 1)
    return [
        (names.text_done, {**place, names.text: part.text, **_logprobs(part.type)}),
        (names.done, {**place, "part": part.to_wire()}),
    ]


def _place(item: Item, part_type: str, index: int) -> dict[str, Any]:
    return {"item_id": item.id, "output_index": item.index, _NAMES[part_type].index_name: index}


def _logprobs(part_type: str) -> dict[str, Any]:
    return {"logprobs": []} if part_type == "output_text" else {}

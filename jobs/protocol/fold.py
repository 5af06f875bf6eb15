"""The one reader of events: `fold(events)` is the response that they describe. Pure.

GET of a running job, an attempt that takes over, progress, the worker's own terminal response and
`fold(transcript) == stored` all go through here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.protocol import events, wire
from jobs.protocol.events import Event
from jobs.protocol.word_count import words_added

Response = dict[str, Any]

_DELTAS = frozenset({events.TEXT_DELTA, events.REFUSAL_DELTA, events.REASONING_DELTA, events.CALL_DELTA})
_SUMMARIES = frozenset({events.SUMMARY_ADDED, events.SUMMARY_DELTA, events.SUMMARY_TEXT_DONE, events.SUMMARY_DONE})
CALL = "function_call"
# The types of items that answer.
ANSWERS = ("message", CALL)
# What an item's `penstock` object tells of it, where there is anything to tell.
_PLACE = ("title", "replaces", "reason", "started", "ended")


@dataclass(slots=True)
class Part:
    """One content part of an item, or a call's arguments: its type and its text, in pieces as they came.

    A thought is said once more as a summary, because many clients show nothing else: `unsummarised` is how many of its
    characters the summary lacks, None where there is none.
    """

    type: wire.TextType
    pieces: list[str] = field(default_factory=list)
    done: bool = False
    unsummarised: int | None = None

    @property
    def text(self) -> str:
        """The whole text; joining also compacts the pieces."""
        self.pieces = ["".join(self.pieces)]
        return self.pieces[0]

    def to_wire(self) -> wire.OutputText | wire.Refusal | wire.ReasoningText:
        """The part as events and responses carry it."""
        match self.type:
            case "output_text":
                return {"type": "output_text", "text": self.text, "annotations": [], "logprobs": []}
            case "refusal":
                return {"type": "refusal", "refusal": self.text}
            case "arguments":
                raise TypeError("the arguments of a call are no part on the wire")
            case thought:
                return {"type": thought, "text": self.text}


@dataclass(slots=True)
class Item:
    """One output item as far as it is written.

    `started` and `ended` are seconds since the job was accepted, from its first text on; None when that is to come,
    or another job's past. `reason` says why it `replaces` another. A call of a function has a `call_id` and a `name`.
    """

    id: str
    type: str
    index: int
    section: int
    replaces: str | None = None
    title: str | None = None
    reason: str | None = None
    started: float | None = None
    ended: float | None = None
    call_id: str | None = None
    name: str | None = None
    status: wire.ItemStatus = "in_progress"
    parts: list[Part] = field(default_factory=list)
    words: int = 0
    _in_word: bool = False

    @property
    def has_text(self) -> bool:
        """Whether anything was written into it; that of a call is its name."""
        return self.type == CALL or any(piece for part in self.parts for piece in part.pieces)

    def add(self, part: Part, text: str) -> None:
        """Add text to the part that is being written; its words are counted as they come, each once."""
        part.pieces.append(text)
        if part.unsummarised is not None:
            part.unsummarised += len(text)
        more, self._in_word = words_added(text, inside=self._in_word)
        self.words += more

    def to_wire(self) -> dict[str, Any]:
        """The item as events and responses carry it."""
        known = {name: getattr(self, name) for name in _PLACE}
        place = {"section": self.section} | {name: value for name, value in known.items() if value is not None}
        wire: dict[str, Any] = {"id": self.id, "type": self.type, "status": self.status}
        if self.type == CALL:
            arguments = "".join(part.text for part in self.parts)
            return {**wire, "call_id": self.call_id, "name": self.name, "arguments": arguments, "penstock": place}
        parts = [part.to_wire() for part in self.parts]
        if self.type == "message":
            return {**wire, "role": "assistant", "content": parts, "penstock": place}
        summaries = [
            {"type": "summary_text", "text": part.text}
            for part in self.parts
            if part.type == "summary_text" or part.unsummarised is not None
        ]
        content = [part for part in parts if part["type"] != "summary_text"]
        return {**wire, "summary": summaries, "content": content, "penstock": place}


class Fold:
    """The state that a sequence of events has led to; `feed` takes the next one."""

    def __init__(self) -> None:
        self.items: dict[int, Item] = {}
        self.ended = False
        self._response: Response = {}

    def feed(self, event: Event) -> None:
        """Take in one event; the types that carry nothing new (`.done` of a text) change nothing."""
        kind = event["type"]
        if kind in _DELTAS:
            self.items[event["output_index"]].add(self._part(event), event["delta"])
        elif "response" in event:
            self._response = event["response"]
            self.ended = kind in events.TERMINAL
        elif kind == events.ITEM_ADDED:
            self._open(event)
        elif kind == events.ITEM_DONE:
            item = self.items[event["output_index"]]
            item.status = event["item"]["status"]
            item.ended = event["item"]["penstock"].get("ended")
        elif kind in _SUMMARIES and self.repeats(event):
            self._summarise(event)
        else:
            self._feed_part(event)

    def repeats(self, event: Event) -> bool:
        """Whether an event says in an item's summary what its thought has said: the summary of a plan does not."""
        if "summary_index" not in event:
            return False
        parts = self.items[event["output_index"]].parts
        return bool(parts) and parts[0].type == "reasoning_text"

    def _summarise(self, event: Event) -> None:
        part = self.items[event["output_index"]].parts[event["summary_index"]]
        if event["type"] == events.SUMMARY_ADDED:
            part.unsummarised = sum(map(len, part.pieces))
        elif event["type"] == events.SUMMARY_DELTA and part.unsummarised is not None:
            part.unsummarised -= len(event["delta"])

    def _feed_part(self, event: Event) -> None:
        kind = event["type"]
        if kind == events.SUMMARY_DELTA:
            self.items[event["output_index"]].add(self._part(event), event["delta"])
        elif kind in (events.PART_ADDED, events.SUMMARY_ADDED):
            item = self.items[event["output_index"]]
            item.parts.append(Part(event["part"]["type"]))
            # That of an item which was there before it was begun.
            item.started = event.get("penstock", {}).get("started", item.started)
        elif kind in (events.PART_DONE, events.SUMMARY_DONE, events.CALL_DONE):
            self._part(event).done = True

    def _open(self, event: Event) -> None:
        wire = event["item"]
        index = event["output_index"]
        place = wire["penstock"]
        known = {name: place.get(name) for name in _PLACE} | {name: wire.get(name) for name in ("call_id", "name")}
        parts = [Part("arguments")] if wire["type"] == CALL else []
        self.items[index] = Item(
            wire["id"], wire["type"], index, place["section"], **known, status=wire["status"], parts=parts
        )

    def _part(self, event: Event) -> Part:
        # No item has parts of both kinds, and a call has one without an index.
        number = event["content_index"] if "content_index" in event else event.get("summary_index", 0)
        return self.items[event["output_index"]].parts[number]

    def output(self) -> list[dict[str, Any]]:
        """The items that count, in reading order: of each section the last run that wrote text."""
        sections: dict[int, list[Item]] = {}
        for item in self.items.values():
            sections.setdefault(item.section, []).append(item)
        return [item.to_wire() for number in sorted(sections) for item in _last_run(sections[number]) if item.has_text]

    def response(self) -> Response:
        """The response at this point: the last snapshot that an event carried, with all output so far."""
        return {**self._response, "output": self.output()}


def fold(stream: Iterable[Event]) -> Response:
    """The response that a job's events, from number 0 on, describe."""
    state = Fold()
    for event in stream:
        state.feed(event)
    return state.response()


def text_of(response: Mapping[str, Any]) -> str:
    """What the SDKs call `output_text`: every output text of every message, joined with nothing between."""
    return "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
        if part["type"] == "output_text"
    )


def words_of_part(part: Mapping[str, Any]) -> str:
    """The words of a content part: its text, or those of a refusal."""
    words: str = part.get("text") or part.get("refusal") or ""
    return words


def is_refusal(response: Mapping[str, Any]) -> bool:
    """Whether the model refused to answer."""
    return any(part["type"] == "refusal" for item in response["output"] for part in item.get("content", ()))


def has_calls(response: Mapping[str, Any]) -> bool:
    """Whether the model asked for calls of functions."""
    return any(item["type"] == CALL for item in response["output"])


def readable_text(response: Mapping[str, Any]) -> str:
    """What the model said, for people: the output text, and where there is a refusal, its words."""
    messages = (item for item in response["output"] if item["type"] == "message")
    return "".join(words_of_part(part) for item in messages for part in item["content"])


def runs(items: Iterable[Item]) -> list[list[Item]]:
    """The items of a section by the run that wrote them, one empty run when there are none.

    A run begins with an item that replaces one of the run before it.
    """
    by_run: list[list[Item]] = [[]]
    for item in sorted(items, key=lambda item: item.index):
        if item.replaces in {earlier.id for earlier in by_run[-1]}:
            by_run.append([])
        by_run[-1].append(item)
    return by_run


def _last_run(items: list[Item]) -> list[Item]:
    """The items of a section's last run with answer text, or with any text if no run got that far."""
    by_run = runs(items)
    answered = [run for run in by_run if any(item.type in ANSWERS and item.has_text for item in run)]
    written = [run for run in by_run if any(item.has_text for item in run)]
    return (answered or written or by_run)[-1]

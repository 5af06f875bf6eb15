"""One section of an answer as it is written: a reasoning item, a message item, items of calls, what a restart does.

All items end together, once the section is a checkpoint: what a viewer saw finished is never bought again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobs.protocol.fold import CALL, Item, runs
from jobs.protocol.ids import call_number, item_id
from jobs.protocol.wire import ItemStatus, PartType, TextType
from worker.model.chunks import Kind, Slot, ToolCall
from worker.publishing.event_writer import EventWriter

_REASON_LENGTH = 200
WAS_REASONING = "The text was reasoning, not the answer."
_PARTS: Mapping[Kind, PartType] = {
    Kind.PLAN: "summary_text",
    Kind.REASONING: "reasoning_text",
    Kind.TEXT: "output_text",
    Kind.REFUSAL: "refusal",
}


class Section:
    """The writer of one section. It has one run, and another after each restart that said other words."""

    def __init__(self, writer: EventWriter, number: int, *, answer: Kind = Kind.TEXT, title: str | None = None) -> None:
        """Goes on with what the log holds of this section, as a new attempt does.

        `answer` is the kind of piece that it is there for: TEXT, or PLAN for one that holds just a plan.
        """
        self._writer = writer
        self.number = number
        self.title = title
        self._answer = answer
        items = writer.items(number)
        self._open = {self._slot(item): item for item in items if item.status == "in_progress"}
        self._replaced = {self._slot(item): item for item in runs(items)[-1] if item.status != "in_progress"}
        newest = max((int(item.id.rpartition("_")[2]) for item in items), default=-1)
        self._run = newest if self._open else newest + 1
        self._replay: _ReplayMatcher | None = None
        self._reason: str | None = None
        if writer.log_is_short and self._open:
            self._replace()
        self.restart(writer.reason)

    def _slot(self, item: Item) -> Slot:
        """What is written into an item."""
        if item.type == CALL:
            return ToolCall(call_number(item.id), item.call_id or "", item.name or "")
        if item.type == "message":
            return Kind.TEXT
        return self._answer if self._answer is Kind.PLAN else Kind.REASONING

    def open(self) -> None:
        """Show that this section is to come, before there is anything to write."""
        if not self._open:
            self._open_item(self._answer, started=None)

    def write(self, kind: Slot, text: str) -> None:
        """Add text. After a restart, text that repeats what was written is not written again."""
        if self._replay is None:
            self._append(kind, text)
            return
        fresh = self._replay.feed(kind, text)
        if fresh is None:
            self._diverge(self._replay)
            self._append(kind, text)
        elif fresh or self._replay.is_new(kind):
            self._replay = None
            self._append(kind, fresh)

    def restart(self, reason: str | None = None) -> None:
        """The model begins again. Its text goes on in the same items for as long as it repeats them.

        The `reason` is told by the items that take the place of others.
        """
        self._reason = reason and reason[:_REASON_LENGTH]
        written = {kind: self._writer.text_of(item, _text_type(kind)) for kind, item in self._open.items()}
        if message := self._open.get(Kind.TEXT):
            written[Kind.REFUSAL] = self._writer.text_of(message, _PARTS[Kind.REFUSAL])
        self._replay = _ReplayMatcher(written) if written else None

    def retract(self, heading: str = "") -> None:
        """The answer written so far, but for its heading, was reasoning: it is closed, and written again as such."""
        if self._replay is not None:
            self._diverge(self._replay)
        message = self._open.get(Kind.TEXT)
        if message is None:
            return
        thought = self._open.get(Kind.REASONING)
        text = self._writer.text_of(thought) if thought else ""
        text += self._writer.text_of(message).removeprefix(heading)
        self._reason = WAS_REASONING
        self._replace()
        self._append(Kind.REASONING, text)

    def finish(self, checkpoint: Callable[[Sequence[Mapping[str, Any]]], None]) -> None:
        """The section is whole: commit it, then say so."""
        if self._replay is not None and not self._replay.is_whole:
            self._diverge(self._replay)  # the model was done earlier than the last time
        if not any(isinstance(kind, ToolCall) for kind in self._open):
            self._begin_answer()  # one without a word is an answer
        items = sorted(self._open.values(), key=lambda item: item.index)
        ended = self._writer.elapsed()
        checkpoint([self._writer.ending(item, "completed", ended) for item in items])
        self._close("completed", ended)

    def _begin_answer(self) -> None:
        if not (answer := self._item(self._answer)).parts:
            self._open_part(answer, self._answer)

    def _append(self, kind: Slot, text: str) -> None:
        if isinstance(kind, ToolCall):
            self._append_call(kind, text)
            return
        if not text:
            return
        if kind in (Kind.TEXT, Kind.REFUSAL):
            self._end_thought()
        item = self._item(Kind.TEXT if kind is Kind.REFUSAL else kind)
        if item.parts and not item.parts[-1].done and item.parts[-1].type != _PARTS[kind]:
            self._writer.close_part(item)
        if not item.parts or item.parts[-1].done:
            self._open_part(item, kind)
        self._writer.write(item, text)

    def _append_call(self, call: ToolCall, text: str) -> None:
        self._end_thought()
        item = self._item(call)
        if text:
            self._writer.write(item, text)

    def _end_thought(self) -> None:
        """The thought is over; its item waits for the section."""
        thought = self._open.get(Kind.REASONING)
        if thought is not None and thought.parts and not thought.parts[-1].done:
            self._writer.close_part(thought)

    def _item(self, kind: Slot) -> Item:
        """The item for this kind of text, opened now if there is none."""
        if kind not in self._open:
            self._open_item(kind, started=self._writer.elapsed())
        return self._open[kind]

    def _open_part(self, item: Item, kind: Kind) -> None:
        self._writer.open_part(item, _PARTS[kind], self._writer.elapsed())

    def _open_item(self, kind: Slot, started: float | None) -> None:
        wire_type, prefix = _item_type(kind)
        replaced = self._replaced.get(kind)
        if replaced is None and not self._open:
            replaced = next(iter(self._replaced.values()), None)
        call = {"call_id": kind.call_id, "name": kind.name} if isinstance(kind, ToolCall) else {}
        number = kind.number if isinstance(kind, ToolCall) else None
        name = item_id(prefix, self._writer.claim.job.id, self.number, self._run, number)
        before = {"replaces": replaced.id, "reason": self._reason} if replaced else {}
        place = {**before, **call, "title": self.title, "started": started}
        self._open[kind] = self._writer.open_item(wire_type, name, self.number, **place)

    def _diverge(self, replay: _ReplayMatcher) -> None:
        """The model says something else this time: what was written is closed, the rest gets new items."""
        self._replay = None
        self._replace()
        for kind, text in replay.repeated():
            self._append(kind, text)

    def _replace(self) -> None:
        """Close what is open as broken off; what is written from here on takes its place."""
        self._replaced = dict(self._open)
        self._close("incomplete", self._writer.elapsed())
        self._run += 1

    def _close(self, status: ItemStatus, ended: float) -> None:
        for item in sorted(self._open.values(), key=lambda item: item.index):
            self._writer.close_item(item, status, ended)
        self._open = {}


def _item_type(kind: Slot) -> tuple[str, str]:
    """The type of an item, and the prefix of its id."""
    if isinstance(kind, ToolCall):
        return CALL, "fc"
    return ("reasoning", "rs") if kind in (Kind.PLAN, Kind.REASONING) else ("message", "msg")


def _text_type(kind: Slot) -> TextType:
    return "arguments" if isinstance(kind, ToolCall) else _PARTS[kind]


class _ReplayMatcher:
    """Compares what a model says after a restart with what it had written before."""

    def __init__(self, written: Mapping[Slot, str]) -> None:
        self._written = written
        self._matched: dict[Slot, int] = dict.fromkeys(Kind, 0)
        self._names = {kind: kind.name for kind in written if isinstance(kind, ToolCall)}

    def repeated(self) -> list[tuple[Slot, str]]:
        """What has been said again so far, word for word."""
        return [(kind, self._written.get(kind, "")[:count]) for kind, count in self._matched.items()]

    def is_new(self, kind: Slot) -> bool:
        """Whether it is a call that had not been written."""
        return isinstance(kind, ToolCall) and kind not in self._written

    @property
    def is_whole(self) -> bool:
        """Whether everything that had been written was said again."""
        return not any(map(self._is_behind, self._written))

    def feed(self, kind: Slot, text: str) -> str | None:
        """What of `text` goes beyond what was written: "" while it repeats, None once the two differ."""
        if isinstance(kind, ToolCall) and self._names.get(kind, kind.name) != kind.name:
            return None
        if isinstance(kind, ToolCall) and kind in self._written:
            self._matched.setdefault(kind, 0)
        start = self._matched.get(kind, 0)
        written = self._written.get(kind, "")
        repeat = written[start : start + len(text)]
        behind = any(self._is_behind(other) for other in self._written if other != kind)
        goes_on = len(repeat) < len(text) or self.is_new(kind)
        if not text.startswith(repeat) or (behind and goes_on):
            return None
        if kind in self._matched:
            self._matched[kind] += len(repeat)
        return text[len(repeat) :]

    def _is_behind(self, kind: Slot) -> bool:
        """Whether not all of what was written there was said again."""
        return self._matched.get(kind, -1) < len(self._written[kind])

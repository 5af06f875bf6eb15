"""What one attempt says, as events: it begins, items open, get text and close. Called by the job's threads."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any, NamedTuple

import orjson

from jobs.protocol import events, response
from jobs.protocol.fold import Item
from jobs.protocol.progress import progress
from jobs.protocol.wire import ItemStatus, PartType
from jobs.storage.attempts import Claim, Note
from worker.publishing import part_events
from worker.publishing.frame_buffer import FrameBuffer
from worker.publishing.rate_histogram import RateHistogram


class Waiting(NamedTuple):
    """Why a model is not asked at once, with which try it will be asked, and when, in Unix seconds.

    `code` is one of StatusDetails; `tries` is how many there will be, None when that is not known.
    """

    reason: str
    number: int
    until: float
    code: str = "asked_again"
    tries: int | None = None

    def to_wire(self) -> dict[str, Any]:
        """As the `penstock` object of a response has it."""
        wire = {"reason": self.reason, "code": self.code, "try": self.number, "until": round(self.until, 1)}
        return wire if self.tries is None else {**wire, "tries": self.tries}


class EventWriter:
    """Writes the items of one attempt into its FrameBuffer."""

    def __init__(self, buffer: FrameBuffer, *, log_is_short: bool = False) -> None:
        """`log_is_short` when viewers have seen more of half-written items than the log that was found has."""
        job = buffer.claim.job
        self.buffer = buffer
        self.log_is_short = log_is_short
        # What the `penstock` object of the final response tells beside.
        self.notes: dict[str, Any] = {}
        # Why this attempt was needed; None for the first.
        self.reason: str | None = None
        self.first_text_at = job.first_token_at
        # What each section waits for, by its number.
        self.waiting: dict[int, Waiting] = {}
        self.rate_histogram = RateHistogram((job.progress or {}).get("curve"))
        self._opening = threading.Lock()

    @property
    def claim(self) -> Claim:
        """The attempt's right to its job."""
        return self.buffer.claim

    def begin(self) -> None:
        """Say that an attempt works on the job."""
        self.buffer.keep_room()
        beginning = response.started(self.buffer.fold.response(), self.claim.job, self.elapsed())
        self.reason = beginning["penstock"]["attempts"][-1]["reason"]
        self.buffer.add(events.IN_PROGRESS, {"response": beginning})

    def elapsed(self) -> float:
        """Seconds since the job was accepted, as items and attempts tell them."""
        return max(0.0, round(time.time() - self.claim.job.created_at, 1))

    def note_rate(self, characters: int) -> None:
        """The model has said so much, be it written or not."""
        self.rate_histogram.add(characters, time.time() - (self.claim.job.started_at or 0.0))

    def items(self, section: int) -> list[Item]:
        """The items of a section, in the order in which they were opened."""
        with self.buffer.lock:
            items = [item for item in self.buffer.fold.items.values() if item.section == section]
        return sorted(items, key=lambda item: item.index)

    def open_item(self, kind: str, item_id: str, section: int, **place: Any) -> Item:
        """Add an output item of type `message`, `reasoning` or `function_call` at the next index.

        `place` may have what an Item says of itself: `title`, `replaces` and its `reason`, `started`; a call has its
        `call_id` and `name`.
        """
        self.buffer.keep_room()
        with self._opening:  # clients add items in the order of their indexes
            index = self.buffer.take_index()
            item = Item(item_id, kind, index, section, **place)
            self.buffer.add(events.ITEM_ADDED, {"output_index": index, "item": item.to_wire()})
            return self.buffer.fold.items[index]

    def open_part(self, item: Item, kind: PartType, started: float | None = None) -> None:
        """Add a part of type `output_text`, `refusal`, `reasoning_text` or `summary_text`.

        Text goes to the newest part. `started` is for an item that has waited until now.
        """
        with self.buffer.lock:
            self.buffer.add(*part_events.added(item, kind, started))
            if kind == "reasoning_text":
                self.buffer.add(*part_events.summary_added(item))

    def write(self, item: Item, text: str) -> None:
        """Text for the item's newest part."""
        self.buffer.keep_room()
        self.first_text_at = self.first_text_at or time.time()
        self.buffer.add_text(item, text)

    def close_part(self, item: Item) -> None:
        """End the item's newest part."""
        with self.buffer.lock:
            self.buffer.number_text()
            for event in part_events.done(item):
                self.buffer.add(*event)

    def close_item(self, item: Item, status: ItemStatus, ended: float | None = None) -> None:
        """End an item as `completed` or `incomplete`, with the part that is still open."""
        with self.buffer.lock:
            if item.parts and not item.parts[-1].done:
                self.close_part(item)
            wire = self.ending(item, status, ended)
            self.buffer.add(events.ITEM_DONE, {"output_index": item.index, "item": wire})

    def close_open_items(self) -> None:
        """End what is half-written as `incomplete`; its text stays."""
        with self.buffer.lock:
            for item in [item for item in self.buffer.fold.items.values() if item.status == "in_progress"]:
                self.close_item(item, "incomplete", self.elapsed())

    def text_of(self, item: Item, part_type: str | None = None) -> str:
        """All text written into an item so far, or into its parts of one type."""
        with self.buffer.lock:
            self.buffer.number_text()
            return "".join(part.text for part in item.parts if part_type in (None, part.type))

    def ending(self, item: Item, status: ItemStatus, ended: float | None) -> dict[str, Any]:
        """The item as events carry it once it has ended so, with all text written into it so far."""
        with self.buffer.lock:
            self.buffer.number_text()
            return replace(item, status=status, ended=ended).to_wire()

    def note(self, server_id: str | None = None) -> Note:
        """How far the job is, as its row tells it; while it runs also how far its log in this Redis server is."""
        with self.buffer.lock:
            state = progress(self.buffer.fold.items.values())
        longest = max(list(self.waiting.values()), key=lambda waiting: waiting.until, default=None)
        columns = {
            "done": state["done"],
            "total": state["total"],
            "words": state["words"],
            "curve": self.rate_histogram.to_wire(),
            **({"waiting": longest.to_wire()} if longest else {}),
        }
        if server_id is not None:
            columns["log"] = {"tail": self.buffer.logged, "server": server_id}
        return Note(self.claim, orjson.dumps(columns).decode(), self.first_text_at)

"""What one attempt writes: events numbered in order, framed once, kept until the log is known to have them.

`generate()` never waits for Redis: the frames that the log has not acknowledged are the queue, the text not
numbered yet is merged, and the publisher fetches both when it can.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from jobs.protocol import events, response, transcript
from jobs.protocol.fold import Fold, Item, Part
from jobs.protocol.progress import progress
from jobs.storage.attempts import BLOCK, INDEX_BLOCK, Claim, Note
from jobs.transport.event_log import Append
from worker.publishing.rate_histogram import RateHistogram

MAX_FRAMES = 500
# More frames than any log has: one that is known to be lost is put back, whatever may be there.
_NO_LOG = 2**40
# Enough numbers to close every open item.
_MARGIN = 1000
# While the database is away, a try may block: the model's stream must not stand still for each of its tokens.
_RESERVE_PAUSE_SECONDS = 10.0

# Of each type of part: the events of its life, and what its number is called.
_WIRE = {
    "output_text": (events.PART_ADDED, events.TEXT_DELTA, events.TEXT_DONE, events.PART_DONE, "content_index"),
    "reasoning_text": (
        *(events.PART_ADDED, events.REASONING_DELTA, events.REASONING_DONE, events.PART_DONE),
        "content_index",
    ),
    "summary_text": (
        *(events.SUMMARY_ADDED, events.SUMMARY_DELTA, events.SUMMARY_TEXT_DONE, events.SUMMARY_DONE),
        "summary_index",
    ),
}


class Recording:
    """The events of one attempt. Written by the job's threads, emptied by the publisher's."""

    def __init__(
        self, claim: Claim, history: list[bytes], *, reserve: Callable[[int, int, bool], bool], wake: Callable[[], None]
    ) -> None:
        """`history` is the log as this attempt found it; empty when there is none.

        `reserve(seq_mark, index_mark, needed)` raises the row's marks; it may fail and say so, but not
        when they are `needed` now. `wake()` tells the publisher that there is work.
        """
        self.claim = claim
        self.fold = Fold()
        self.urgent, self.ended = True, False
        # What the `penstock` object of the final response tells beside.
        self.notes: dict[str, Any] = {}
        # Why this attempt was needed; None for the first.
        self.reason: str | None = None
        self.rate_histogram = RateHistogram((claim.job.progress or {}).get("curve"))
        self._reserve, self._wake = reserve, wake
        self._lock, self._reserving = threading.RLock(), threading.Lock()
        self._reserve_after = 0.0
        self._transcript = transcript.TranscriptWriter()
        self._frozen = False
        self._seq_mark, self._index_mark = claim.job.seq_mark, claim.job.index_mark
        self._pending: dict[tuple[int, int], list[str]] = {}
        for frame in history or events.split(claim.job.initial_frames):
            self._transcript.add(frame)
            self.fold.feed(events.event_of(frame))
        self._unsent: list[bytes] = []
        self._written = len(history)  # frames, those of earlier attempts among them
        self._log_is_lost = claim.attempt > 1 and not history
        if not history:
            opening = events.split(claim.job.initial_frames)
            self._written, self._unsent = len(opening), opening if claim.attempt == 1 else []
        self._next = max(claim.first, events.number_of(history[-1]) + 1 if history else 0)
        self._index = max(self.fold.items, default=-1) + 1 if history else claim.first_index
        self.first_text_at = claim.job.first_token_at

    # -- the job's side --------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Say that an attempt works on the job."""
        self._make_room()
        begun = response.started(self.fold.response(), self.claim.job, self.elapsed())
        self.reason = begun["penstock"]["attempts"][-1]["reason"]
        self._emit(events.IN_PROGRESS, {"response": begun})

    def elapsed(self) -> float:
        """Seconds since the job was accepted, as items and attempts tell them."""
        return max(0.0, round(time.time() - self.claim.job.created_at, 1))

    def note_rate(self, characters: int) -> None:
        """The model has said so much, be it written or not."""
        self.rate_histogram.add(characters, time.time() - (self.claim.job.started_at or 0.0))

    def open_item(self, kind: str, item_id: str, section: int, **place: Any) -> Item:
        """Add an output item of type `message` or `reasoning` at the next index.

        `place` may have what an Item says of itself: `title`, `replaces` and its `reason`, `started`.
        """
        self._make_room()
        with self._lock:
            index = self._index
            self._index += 1
            item = Item(item_id, kind, index, section, **place)
            self._emit(events.ITEM_ADDED, {"output_index": index, "item": item.to_wire()})
            return self.fold.items[index]

    def open_part(self, item: Item, kind: str, started: float | None = None) -> None:
        """Add a part of type `output_text`, `reasoning_text` or `summary_text`; deltas go to the newest part.

        `started` is for an item that has waited until now.
        """
        with self._lock:
            place = _place(item, kind, len(item.parts))
            begun = {"penstock": {"started": started}} if item.started is None and started is not None else {}
            self._emit(_WIRE[kind][0], {**place, "part": Part(kind).to_wire(), **begun})

    def write(self, item: Item, text: str) -> None:
        """Text for the item's newest part. It is numbered when the publisher fetches it."""
        self._make_room()
        with self._lock:
            self.first_text_at = self.first_text_at or time.time()
            key = (item.index, len(item.parts) - 1)
            # A part's first text is never held back for company.
            self.urgent = self.urgent or not (item.parts[-1].pieces or key in self._pending)
            self._pending.setdefault(key, []).append(text)
        self._wake()

    def close_part(self, item: Item) -> None:
        """End the item's newest part."""
        with self._lock:
            self._number_pending()
            part = item.parts[-1]
            place, (_, _, text_done, part_done, _) = _place(item, part.type, len(item.parts) - 1), _WIRE[part.type]
            self._emit(text_done, {**place, "text": part.text, **_logprobs(part.type)})
            self._emit(part_done, {**place, "part": part.to_wire()})

    def close_item(self, item: Item, status: str, ended: float | None = None) -> None:
        """End an item as `completed` or `incomplete`, with the part that is still open."""
        with self._lock:
            if item.parts and not item.parts[-1].done:
                self.close_part(item)
            self._emit(events.ITEM_DONE, {"output_index": item.index, "item": self.ending(item, status, ended)})

    def abandon(self) -> None:
        """Close what is half-written, as such; it stays."""
        with self._lock:
            for item in [item for item in self.fold.items.values() if item.status == "in_progress"]:
                self.close_item(item, "incomplete", self.elapsed())

    def text_of(self, item: Item) -> str:
        """All text written into an item so far."""
        with self._lock:
            self._number_pending()
            return "".join(part.text for part in item.parts)

    def ending(self, item: Item, status: str, ended: float | None) -> dict[str, Any]:
        """The item as events carry it once it has ended so, with all text written into it so far."""
        with self._lock:
            self._number_pending()
            return replace(item, status=status, ended=ended).to_wire()

    def note(self) -> Note:
        """How far the job is, as its row tells it."""
        with self._lock:
            far = progress(self.fold.items.values())
        told = {
            "done": far["done"],
            "total": far["total"],
            "words": far["words"],
            "curve": self.rate_histogram.to_wire(),
        }
        return Note(self.claim, orjson.dumps(told).decode(), self.first_text_at)

    def snapshot(self) -> dict[str, Any]:
        """The response as it stands."""
        with self._lock:
            self._number_pending()
            return self.fold.response()

    def freeze(self) -> int:
        """Number and send nothing more. Returns the lowest number that no event has."""
        with self._lock:
            self._frozen = True
            return self._next

    def closing(self, final: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """The terminal frame for this response, and the whole transcript with it. Nothing is sent yet."""
        with self._lock:
            kind = response.terminal_kind(final["status"])
            frame = events.frame(kind, self._next, {"response": final})
            return frame, self._transcript.closed(frame)

    def end(self, frame: bytes) -> None:
        """Send the terminal frame: the job's row says already that this is the end."""
        with self._lock:
            self._unsent.append(frame)
            self._written += 1
            self._next += 1
            self.ended = self.urgent = True
        self._wake()

    # -- the publisher's side --------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether there is anything that the log does not have yet."""
        with self._lock:
            return bool(self._unsent or self._pending)

    def batch(self) -> Append | None:
        """The next frames for the log, at most MAX_FRAMES; the same again until they are acknowledged."""
        with self._lock:
            # While the log takes nothing, text stays merged instead of becoming ever more frames.
            if len(self._unsent) < MAX_FRAMES and not self._frozen:
                self._number_pending()
            if not self._unsent or self._frozen:
                return None
            frames = self._unsent[:MAX_FRAMES]
            self.urgent = len(frames) < len(self._unsent)
            first = self._next - len(self._unsent)
            held = _NO_LOG if self._log_is_lost else self._written - len(self._unsent)
            begins = held == 0
            ends = self.ended and len(frames) == len(self._unsent)
            job = self.claim.job
            return Append(job.id, job.attempt, held, first, frames, begins, ends)

    def acknowledge(self, tail: int) -> None:
        """The log holds everything up to number `tail`."""
        with self._lock:
            first = self._next - len(self._unsent)
            del self._unsent[: max(0, tail - first + 1)]
            self._log_is_lost = False

    def pages(self) -> tuple[int, Iterator[list[tuple[int, bytes]]]]:
        """Everything written so far: its last number, and pages of (number, frame) to rebuild a log from."""
        with self._lock:
            last, packed = self._next - 1, self._transcript.closed()
        pages = transcript.read(packed)
        return last, ([(events.number_of(frame), frame) for frame in page] for page in pages)

    # -- numbering -------------------------------------------------------------------------------------------

    def _emit(self, kind: str, fields: Mapping[str, Any]) -> None:
        with self._lock:
            self._number(kind, fields)
            self.urgent = True
        self._wake()

    def _number(self, kind: str, fields: Mapping[str, Any]) -> None:
        frame = events.frame(kind, self._next, fields)
        self._next += 1
        self._written += 1
        self._transcript.add(frame)
        self._unsent.append(frame)
        self.fold.feed({"type": kind, **fields})

    def _number_pending(self) -> None:
        """Make one delta of the text that each part has got since the last time."""
        for (index, content_index), pieces in list(self._pending.items()):
            if self._next >= self._seq_mark:
                return  # no number may be used before the row has reserved it
            item = self.fold.items[index]
            part_type = item.parts[content_index].type
            delta = {**_place(item, part_type, content_index), "delta": "".join(pieces), **_logprobs(part_type)}
            del self._pending[index, content_index]
            self._number(_WIRE[part_type][1], delta)

    def _make_room(self) -> None:
        """Reserve the next block of numbers long before the last one runs out.

        Outside the lock: a slow database must not hold up the publisher.
        """
        with self._reserving:
            numbers, indexes = self._seq_mark - self._next, self._index_mark - self._index
            if numbers > BLOCK // 2 and indexes > 0:
                return
            seq_mark = max(self._seq_mark, self._next + BLOCK)
            index_mark = max(self._index_mark, self._index + INDEX_BLOCK)
            scarce = numbers < _MARGIN or indexes <= 0
            if not scarce and time.monotonic() < self._reserve_after:
                return
            if not self._reserve(seq_mark, index_mark, scarce):
                self._reserve_after = time.monotonic() + _RESERVE_PAUSE_SECONDS
                return
            with self._lock:
                self._seq_mark, self._index_mark = seq_mark, index_mark


def _place(item: Item, part_type: str, number: int) -> dict[str, Any]:
    return {"item_id": item.id, "output_index": item.index, _WIRE[part_type][4]: number}


def _logprobs(part_type: str) -> dict[str, Any]:
    return {"logprobs": []} if part_type == "output_text" else {}

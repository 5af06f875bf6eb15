"""The frames of one attempt: numbered in order, made once, kept until the log is known to have them.

`generate()` never waits for Redis: the frames that the log has not acknowledged are the queue, the text that has no
number yet is merged, and the publisher fetches both when it can.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jobs.protocol import events, response, transcript
from jobs.protocol.fold import Fold, Item
from jobs.storage.attempts import Claim
from jobs.transport.event_log import Append
from worker.publishing import part_events
from worker.publishing.marks import Marks, Reserve

MAX_FRAMES = 500
# Larger than any log, so append answers `lost` and the publisher rebuilds it.
_NO_LOG = 2**40


class FrameBuffer:
    """Filled by the job's threads through an EventWriter, emptied by the publisher's."""

    def __init__(
        self,
        claim: Claim,
        history: list[bytes] | None,
        *,
        reserve: Reserve,
        wake: Callable[[str], None],
        log_is_short: bool = False,
    ) -> None:
        """`history` is the log as this attempt found it, None when it is lost; `log_is_short` when viewers saw more.

        `reserve` raises the row's marks, `wake(id)` tells the publisher that this job has work.
        """
        self.claim = claim
        self.fold = Fold()
        self.urgent = True
        # Held by a writer over events that belong together.
        self.lock = threading.RLock()
        self._wake = wake
        self._transcript = transcript.TranscriptWriter()
        self._pending: dict[tuple[int, int], list[str]] = {}
        self._unsent: list[bytes] = []
        self._frozen = False
        # The highest number that the log is known to have had.
        self.logged = -1
        self._ended = False
        # Since when the oldest text waits that the log has not acknowledged, and when a batch was last fetched.
        self._waits_since: float | None = None
        self._fetched_at = 0.0
        initial = events.split(claim.job.initial_frames)
        for frame in history or initial:
            self._transcript.add(frame)
            self.fold.feed(events.event_of(frame))
        self._written = len(history or initial)  # frames, those of earlier attempts among them
        self._log_is_lost = history is None
        if history == []:
            self._unsent = initial
        self._found = events.number_of((history or initial)[-1])
        self._next = self._begun = max(claim.first, self._found + 1 if history else 0)
        next_index = claim.first_index if log_is_short or not history else max(self.fold.items, default=-1) + 1
        self._marks = Marks(claim, next_index, reserve)

    # -- filled by the job's threads ---------------------------------------------------------------------------

    def keep_room(self) -> None:
        """Reserve numbers before they run out. Without the lock: a slow database must not hold up the publisher."""
        self._marks.keep_ahead_of(self._next)

    def take_index(self) -> int:
        """The next output index. Waits for the database when the row has reserved none."""
        return self._marks.take_index(self._next)

    def add(self, kind: str, fields: Mapping[str, Any]) -> None:
        """An event, behind all that was added before it."""
        with self.lock:
            self._number(kind, fields)
            self.urgent = True
        self._wake(self.claim.job.id)

    def add_text(self, item: Item, text: str) -> None:
        """Text for the item's newest part. It is numbered when the publisher fetches it."""
        with self.lock:
            self._waits_since = self._waits_since or time.monotonic()
            key = (item.index, len(item.parts) - 1)
            # Flush a part's first text at once; batch the rest.
            self.urgent = self.urgent or not (item.parts[-1].pieces or key in self._pending)
            self._pending.setdefault(key, []).append(text)
        self._wake(self.claim.job.id)

    def number_text(self) -> None:
        """Make one delta of the text that each part has got since the last time."""
        with self.lock:
            for (index, part_index), pieces in list(self._pending.items()):
                if self._next >= self._marks.seq_mark:
                    return  # no number may be used before the row has reserved it
                item = self.fold.items[index]
                text = "".join(pieces)
                try:
                    self._number(*part_events.delta(item, part_index, text))
                except TypeError:  # half a surrogate pair, which no JSON can carry
                    self._number(*part_events.delta(item, part_index, text.encode(errors="replace").decode()))
                if self._next < self._marks.seq_mark:
                    for event in part_events.summary_delta(item, part_index):
                        self._number(*event)
                del self._pending[index, part_index]

    def snapshot(self) -> dict[str, Any]:
        """The response as it stands."""
        with self.lock:
            self.number_text()
            return self.fold.response()

    def freeze(self) -> int:
        """Number and send nothing more. Returns the lowest number that no event has."""
        with self.lock:
            self._frozen = True
            return self._next

    def closing(self, final: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """The terminal frame for this response, and the whole transcript with it. Nothing is sent yet."""
        with self.lock:
            kind = response.terminal_kind(final["status"])
            frame = events.frame(kind, self._next, {"response": final})
            return frame, self._transcript.closed(frame)

    def end(self, frame: bytes) -> None:
        """Send the terminal frame: the job's row says already that this is the end."""
        with self.lock:
            self._unsent.append(frame)
            self._written += 1
            self._next += 1
            self._ended = self.urgent = True
        self._wake(self.claim.job.id)

    def _number(self, kind: str, fields: Mapping[str, Any]) -> None:
        frame = events.frame(kind, self._next, fields)
        self._next += 1
        self._written += 1
        self._transcript.add(frame)
        self._unsent.append(frame)
        self.fold.feed({"type": kind, **fields})

    # -- emptied by the publisher's thread ---------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether there is anything that the log does not have yet."""
        with self.lock:
            return bool(self._unsent or self._pending)

    def batch(self) -> Append | None:
        """The next frames for the log, at most MAX_FRAMES; the same again until they are acknowledged."""
        with self.lock:
            self._fetched_at = time.monotonic()
            # While the log takes nothing, text stays merged instead of becoming ever more frames.
            if len(self._unsent) < MAX_FRAMES and not self._frozen:
                self.number_text()
            if not self._unsent or self._frozen:
                return None
            frames = self._unsent[:MAX_FRAMES]
            self.urgent = len(frames) < len(self._unsent)
            first = self._next - len(self._unsent)
            held = _NO_LOG if self._log_is_lost else self._written - len(self._unsent)
            ends = self._ended and len(frames) == len(self._unsent)
            job = self.claim.job
            before = self._found if first == self._begun else first - 1
            return Append(job.id, job.attempt, held, first, frames, ends, before)

    def acknowledge(self, tail: int) -> float | None:
        """The log holds everything up to number `tail`. Returns how long the oldest text of it took, in seconds."""
        with self.lock:
            first = self._next - len(self._unsent)
            del self._unsent[: max(0, tail - first + 1)]
            self.logged = tail
            self._log_is_lost = False
            since = self._waits_since
            self._waits_since = self._fetched_at if since and (self._unsent or self._pending) else None
        return time.monotonic() - since if since else None

    def lose_log(self) -> None:
        """The log is lost, whatever may be there: no append goes on in it until it is put back."""
        with self.lock:
            self._log_is_lost = True

    def pages(self) -> tuple[int, Iterator[list[tuple[int, bytes]]]]:
        """Everything written so far: its last number, and pages of (number, frame) to rebuild a log from."""
        with self.lock:
            last = self._next - 1
            packed = self._transcript.closed()
        pages = transcript.read(packed)
        return last, ([(events.number_of(frame), frame) for frame in page] for page in pages)

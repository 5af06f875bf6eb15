"""A job as its page shows it: rendered once, one copy for all who watch it in this process.

What is finished is a sequence of blocks, each named `<output_index>.<block>`: a pure function of the log, so that a
viewer goes on from its last one in any process. What moves (the blocks that are being written, the state) is in
pictures, taken at most four times a second, and only while somebody looks.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from jobs.protocol import events
from jobs.protocol.events import Event
from jobs.protocol.fold import Fold
from web.live.job_state import JobState, item_summary
from web.markdown.blocks import Blocks, Plain
from web.markdown.renderer import Document
from web.relay.subscriber import HEARTBEAT_SECONDS

_PICTURE_SECONDS = 0.25
_STATE_SECONDS = 0.5
# How often to look at what no event tells: the place in the queue, a job given back to it.
_LOOK_SECONDS = 2.0
# Of a very long block, pictures are taken less often: they may cost a tenth of the time.
_REST = 9
_BREATH_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class PageSnapshot:
    """All there is to see at one moment: the first `position` blocks, and the frames of what moves."""

    version: int = -1
    position: int = 0
    over: bool = False
    state: bytes = b""
    tails: dict[int, bytes] = field(default_factory=dict)


class LivePage:
    """One thread feeds it, any number look at it. `version` rises with all that is fed."""

    def __init__(self, look: Callable[[], JobState]) -> None:
        """`look` asks the database where the job stands."""
        self.viewers, self.left_at = 0, time.monotonic()
        self.version, self.number, self.over = 0, -1, False
        self._look = look
        self._fold = Fold()
        self._written_at = time.monotonic()
        self._document = Document()
        self._blocks: dict[int, Blocks] = {}
        self._open: dict[int, str] = {}
        self._counts: Counter[int] = Counter()
        self._sequence: list[bytes] = []
        self._places = {"": 0}
        self._turns = 0
        self._attempts: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._taking = threading.Lock()
        self._snapshot, self._due = PageSnapshot(), 0.0
        self._drawn: dict[int, str] = {}
        self._job_state: tuple[float, int, JobState] | None = None
        self._told: tuple[float, int, dict[str, Any]] = (float("-inf"), -1, {})

    def feed(self, event: Event) -> None:
        """Take in the next event of the log."""
        index, kind, finished = event.get("output_index", -1), event["type"], []
        if kind == events.ITEM_ADDED:
            self._blocks[index] = Blocks(Plain() if event["item"]["type"] == "reasoning" else self._document)
        elif "delta" in event:
            finished = self._blocks[index].feed(event["delta"])
        elif kind == events.ITEM_DONE:
            finished, self._blocks[index] = self._blocks[index].rest(), Blocks()
        with self._changed:
            self._fold.feed(event)
            for html in finished:
                self._add(index, html)
            if index in self._blocks:
                self._open[index] = self._blocks[index].open
            self.number = event["sequence_number"]
            if "response" in event:
                self._attempts = event["response"]["penstock"].get("attempts", [])
            if "delta" in event or "response" in event:
                self._written_at = time.monotonic()
            self._turns += "delta" not in event

    def _add(self, index: int, html: str) -> None:
        name = f"{index}.{self._counts[index]}"
        self._counts[index] += 1
        self._sequence.append(b"id: %b\n%b" % (name.encode(), _frame("block", {"index": index, "html": html})))
        self._places[name] = len(self._sequence)

    def wake(self, *, over: bool = False) -> None:
        """Show what was fed; `over` when nothing can follow."""
        with self._changed:
            self.version += 1
            self.over = self.over or over
            self._changed.notify_all()

    def reach(self, number: int, seconds: float) -> None:
        """Sleep until the event of this number was fed, or the end, but not for longer than so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self.number >= number or self.over, seconds)

    def wait(self, snapshot: PageSnapshot) -> None:
        """Sleep until there may be another picture than this one."""
        with self._changed:
            self._changed.wait_for(lambda: self.version != snapshot.version or self.over, _LOOK_SECONDS)
        rest = 0.0 if self.over else self._due - time.monotonic()
        time.sleep(max(_BREATH_SECONDS, rest))

    def place(self, cursor: str) -> int | None:
        """How many blocks there are up to the one of this name; None if there is none yet."""
        return self._places.get(cursor)

    def since(self, before: PageSnapshot, snapshot: PageSnapshot) -> bytes:
        """The frames that lead from one picture to a later one; none if nothing has changed.

        A new state comes first, because it names the items; that of the end comes last, because nothing follows it.
        """
        state = [snapshot.state] if before.state is not snapshot.state else []
        tails = [frame for index, frame in snapshot.tails.items() if before.tails.get(index) is not frame]
        text = [*self._sequence[before.position : snapshot.position], *tails]
        return b"".join([*text, *state] if snapshot.over else [*state, *text])

    def cursor(self, snapshot: PageSnapshot) -> str:
        """The name of the last block of a picture; empty if it has none."""
        last = self._sequence[snapshot.position - 1] if snapshot.position else b"id: \n"
        return last[4 : last.index(b"\n")].decode()

    def texts(self, snapshot: PageSnapshot) -> dict[int, tuple[str, str]]:
        """The HTML in a picture, by output index: what is finished, and what is being written."""
        finished: dict[int, list[str]] = {}
        for frame in self._sequence[: snapshot.position]:
            block = events.event_of(frame)
            finished.setdefault(block["index"], []).append(block["html"])
        tails = {index: events.event_of(frame)["html"] for index, frame in snapshot.tails.items()}
        return {index: ("".join(finished.get(index, [])), tails.get(index, "")) for index in {*finished, *tails}}

    def snapshot(self) -> PageSnapshot:
        """The newest picture; a new one if it is time."""
        # Others have the last one meanwhile, if there is one.
        if self._taking.acquire(blocking=self._snapshot.version < 0):
            try:
                began = time.monotonic()
                if began >= self._due or self.over:
                    self._snapshot = self._snapshot if self._snapshot.over else self._take(began)
                    spent = time.monotonic() - began
                    self._due = began + max(_PICTURE_SECONDS, _REST * spent)
            finally:
                self._taking.release()
        return self._snapshot

    def _take(self, now: float) -> PageSnapshot:
        job_state = self._stand(now)
        with self._changed:
            version, position, over = self.version, len(self._sequence), self.over
            sources = {index: source for index, source in self._open.items() if source != self._drawn.get(index, "")}
            state = self._state(now, job_state)
        self._drawn |= sources
        drawn = {index: {"index": index, "html": self._blocks[index].draft(sources[index])} for index in sources}
        tails = self._snapshot.tails | {index: _frame("tail", tail) for index, tail in drawn.items()}
        return PageSnapshot(version, position, over, state, tails)

    def _stand(self, now: float) -> JobState:
        turns, known = self._turns, self._job_state
        if known is None or self.over or known[1] != turns or now - known[0] >= _LOOK_SECONDS:
            self._job_state = known = (now, turns, self._look())
        return known[2]

    def _state(self, now: float, job_state: JobState) -> bytes:
        """The frame of the state: a new one when it has changed, or when viewers must hear something again."""
        told_at, turns, told = self._told
        if turns == self._turns and now - told_at < _STATE_SECONDS and not self.over:
            return self._snapshot.state
        items = sorted(self._fold.items.values(), key=lambda item: (item.section, item.index))
        lines = [item_summary(item.index, item.to_wire(), item.words) for item in items]
        state = job_state.state(lines, self._attempts)
        if state == told and now - told_at < HEARTBEAT_SECONDS:
            return self._snapshot.state
        self._told = (now, self._turns, state)
        return _frame("state", {**state, "silent": round(now - self._written_at, 1), "elapsed": job_state.elapsed()})


def _frame(kind: str, data: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps(data))

"""A running job as its page shows it: rendered once, one copy for all who watch it in this process.

Finished blocks are a sequence in which each has a name, `<output_index>.<block>`, that follows from the log alone: a
viewer goes on from its last block in any process. What still moves (unfinished blocks, the state) is in snapshots,
taken at most four times a second, and only while somebody watches.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.protocol import events
from jobs.protocol.events import Event
from jobs.protocol.fold import Fold
from web.live.job_state import JobState, item_summary
from web.markdown.blocks import GrowingText, PlainText
from web.markdown.renderer import Document
from web.relay.sse import event_frame

_SNAPSHOT_SECONDS = 0.25
_STATE_SECONDS = 0.5
# A state that only grows older is sent again this often: it carries the elapsed and the silent seconds.
_CLOCK_SECONDS = 1.0
# How often the row is read for what no event tells: the place in the queue, a job given back to it.
_ROW_SECONDS = 2.0
# After a snapshot that took long, the next waits this many times as long: rendering costs at most a tenth of the time.
_REST_FACTOR = 9
_MIN_WAIT_SECONDS = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class PageState:
    """What the page shows beside the text, and the frames made of it so far, by language."""

    values: Mapping[str, Any] = field(default_factory=dict)
    frames: dict[str, bytes] = field(default_factory=dict)


StateFrame = Callable[[PageState], bytes]


@dataclass(frozen=True, slots=True)
class PageSnapshot:
    """All there is to see at one moment: the first `position` blocks, the unfinished ones, and the state."""

    version: int = -1
    position: int = 0
    over: bool = False
    state: PageState = field(default_factory=PageState)
    tails: dict[int, bytes] = field(default_factory=dict)


class LivePage:
    """Fed by one thread, watched by any number of viewers. `version` rises with all that is fed."""

    def __init__(self, read_state: Callable[[], JobState]) -> None:
        """`read_state` reads the job's row. Raises JobNotFound."""
        self.viewers = 0
        self.left_at = time.monotonic()
        self.version = 0
        self.number = -1
        self.over = False
        self._read_state = read_state
        self._fold = Fold()
        self._written_at = time.monotonic()
        self._document = Document()
        self._blocks: dict[int, GrowingText] = {}
        self._open: dict[int, str] = {}
        self._counts: Counter[int] = Counter()
        self._sequence: list[bytes] = []
        self._places = {"": 0}
        self._turns = 0
        self._attempts: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._taking = threading.Lock()
        self._snapshot = PageSnapshot()
        self._due = 0.0
        self._drafts: dict[int, str] = {}
        self._job_state: tuple[float, int, JobState] | None = None
        self._sent_state: tuple[float, int, dict[str, Any]] = (float("-inf"), -1, {})

    def feed(self, event: Event) -> None:
        """Take in the next event of the log."""
        index = event.get("output_index", -1)
        kind = event["type"]
        finished: list[str] = []
        if kind == events.ITEM_ADDED:
            section = event["item"]["penstock"]["section"]
            is_plain = event["item"]["type"] != "message"
            self._blocks[index] = GrowingText(PlainText() if is_plain else self._document.part(section))
        elif "delta" in event and not self._fold.repeats(event):
            finished = self._blocks[index].feed(event["delta"])
        elif kind == events.ITEM_DONE:
            finished = self._blocks[index].finish()
            self._blocks[index] = GrowingText()
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
        self._sequence.append(b"id: %b\n%b" % (name.encode(), event_frame("block", {"index": index, "html": html})))
        self._places[name] = len(self._sequence)

    def wake(self, *, over: bool = False) -> None:
        """Show what was fed; `over` when nothing can follow."""
        with self._changed:
            self.version += 1
            self.over = self.over or over
            self._changed.notify_all()

    def reach(self, number: int, seconds: float) -> None:
        """Wait until the event of this number was fed, or the end, at most so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self.number >= number or self.over, seconds)

    def wait(self, snapshot: PageSnapshot) -> None:
        """Wait until there may be another snapshot than this one."""
        with self._changed:
            self._changed.wait_for(lambda: self.version != snapshot.version or self.over, _CLOCK_SECONDS)
        rest = 0.0 if self.over else self._due - time.monotonic()
        time.sleep(max(_MIN_WAIT_SECONDS, rest))

    def place(self, cursor: str) -> int | None:
        """How many blocks there are up to the one of this name; None if there is none yet."""
        return self._places.get(cursor)

    def since(
        self, before: PageSnapshot, after: PageSnapshot, state_frame: StateFrame, *, only_messages: bool = False
    ) -> bytes:
        """The frames that lead from one snapshot to a later one; none if nothing has changed.

        A new state comes first, because it names the items; that of the end comes last, because nothing follows it.
        With `only_messages` there is nothing of thoughts and calls.
        """
        state = [state_frame(after.state)] if before.state is not after.state else []
        tails = {index: frame for index, frame in after.tails.items() if before.tails.get(index) is not frame}
        blocks = self._sequence[before.position : after.position]
        if only_messages:
            messages = {item["index"] for item in after.state.values["items"] if item["type"] == "message"}
            blocks = [frame for frame in blocks if events.event_of(frame)["index"] in messages]
            tails = {index: frame for index, frame in tails.items() if index in messages}
        text = [*blocks, *tails.values()]
        return b"".join([*text, *state] if after.over else [*state, *text])

    def cursor(self, snapshot: PageSnapshot) -> str:
        """The name of the last block of a snapshot; empty if it has none."""
        last = self._sequence[snapshot.position - 1] if snapshot.position else b"id: \n"
        return last[4 : last.index(b"\n")].decode()

    def counts(self, snapshot: PageSnapshot) -> dict[int, int]:
        """How many blocks of each output item are in a snapshot."""
        return dict(Counter(events.event_of(frame)["index"] for frame in self._sequence[: snapshot.position]))

    def texts(self, snapshot: PageSnapshot) -> dict[int, tuple[str, str]]:
        """The HTML in a snapshot, by output index: what is finished, and what is being written."""
        finished: dict[int, list[str]] = {}
        for frame in self._sequence[: snapshot.position]:
            block = events.event_of(frame)
            finished.setdefault(block["index"], []).append(block["html"])
        tails = {index: events.event_of(frame)["html"] for index, frame in snapshot.tails.items()}
        return {index: ("".join(finished.get(index, [])), tails.get(index, "")) for index in {*finished, *tails}}

    def snapshot(self) -> PageSnapshot:
        """The newest snapshot; a new one if it is time. One thread takes it; the others return the previous one."""
        if self._taking.acquire(blocking=self._snapshot.version < 0):
            try:
                began = time.monotonic()
                if not self._snapshot.over and (began >= self._due or self.over):
                    self._snapshot = self._take(began)
                    spent = time.monotonic() - began
                    self._due = began + max(_SNAPSHOT_SECONDS, _REST_FACTOR * spent)
            finally:
                self._taking.release()
        return self._snapshot

    def _take(self, now: float) -> PageSnapshot:
        job_state = self._current_job_state(now)
        with self._changed:
            version = self.version
            position = len(self._sequence)
            over = self.over
            sources = {index: source for index, source in self._open.items() if source != self._drafts.get(index, "")}
            state = self._page_state(now, job_state)
        self._drafts |= sources
        drafts = {index: {"index": index, "html": self._blocks[index].draft(sources[index])} for index in sources}
        tails = self._snapshot.tails | {index: event_frame("tail", draft) for index, draft in drafts.items()}
        return PageSnapshot(version, position, over, state, tails)

    def _current_job_state(self, now: float) -> JobState:
        turns = self._turns
        known = self._job_state
        if known is None or self.over or known[1] != turns or now - known[0] >= _ROW_SECONDS:
            self._job_state = known = (now, turns, self._read_state())
        return known[2]

    def _page_state(self, now: float, job_state: JobState) -> PageState:
        """The previous state, or a new one when something in it has changed or a second has passed."""
        sent_at, turns, sent = self._sent_state
        if turns == self._turns and now - sent_at < _STATE_SECONDS and not self.over:
            return self._snapshot.state
        items = sorted(self._fold.items.values(), key=lambda item: (item.section, item.index))
        summaries = [item_summary(item.index, item.to_wire(), item.words) for item in items]
        state = job_state.page_state(summaries, self._attempts)
        if state == sent and now - sent_at < _CLOCK_SECONDS:
            return self._snapshot.state
        self._sent_state = (now, self._turns, state)
        silent = round(now - self._written_at, 1)
        return PageState({**state, "silent": silent, "elapsed": job_state.elapsed()})

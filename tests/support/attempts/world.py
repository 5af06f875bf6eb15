"""One job and everybody who touches it, and what has to hold of it after each step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import orjson
from sqlalchemy.exc import OperationalError

from jobs.errors import JobNotFound
from jobs.job import Status
from jobs.protocol import events, transcript
from jobs.protocol.fold import Fold, text_of
from tests.support.attempts.fates import FatedRows
from tests.support.attempts.run import Run
from tests.support.attempts.storage import Row, Storage
from tests.support.job_factory import OWNER


class World:
    """A job in a storage, its attempts, a viewer, and what held of them before."""

    def __init__(self, storage: Storage, settings: Any, *, repeats: bool) -> None:
        """`repeats` when the model says the same words in each attempt."""
        self.storage = storage
        self.settings = settings
        self.repeats = repeats
        self.runs: list[Run] = []
        self._all_runs: list[Run] = []  # those of dead workers among them
        self.saved: list[object] = []
        self.is_deleted = False
        self._claims = 0
        # What happens before one of the next calls to a database or to Redis: how many calls later, and what.
        self._meanwhile: tuple[int, Callable[[], None]] | None = None
        self._was_interrupted = False
        self._committed: dict[int, str] = {}
        self._ended: Row | None = None
        self._frames: dict[int, bytes] = {}
        self._viewer = Fold()
        self._cursor = -1
        # Text that Redis and a worker lost together comes again, or never.
        self._is_log_lost = False
        self._is_log_short = False
        # Redis forgot what no note tells of; or a second attempt since then finds a log without the items that it lost.
        self._may_reuse_indexes = False
        self._began_without_items = False
        # Redis forgot that an attempt was replaced, which may live: what it writes now, no viewer can make sense of.
        self._forgot_takeover = False
        # The highest fence that Redis had before it lost or forgot something.
        self._fence = 0

    def word(self, attempt: int, section: int, position: int) -> str:
        """What the model says."""
        return f"{section}.{position} " if self.repeats else f"{section}.{position}.{attempt} "

    def interrupt(self, calls: int, step: Callable[[], None]) -> None:
        """Have a step happen in the middle of others, once so many calls have been made."""
        self._meanwhile = (calls, step)

    def _before_call(self) -> None:
        if self._meanwhile is None:
            return
        calls, step = self._meanwhile
        if calls > 0:
            self._meanwhile = (calls - 1, step)
            return
        self._meanwhile = None
        self._was_interrupted = True
        step()

    # -- workers

    def claim(self, sql: str, redis_fate: str) -> None:
        """A worker claims the job if it is queued, and begins."""
        rows = FatedRows(self.storage.rows, self._before_call)
        rows.fate = sql
        try:
            claim = rows.claim_one(self.storage.job.id, f"worker-{self.storage.job.id}-{self._claims}"[-64:])
        except OperationalError:
            return  # committed or not: this worker never hears of it
        if claim is None:
            return
        self._claims += 1
        missing = set(self._committed) - {checkpoint.section for checkpoint in claim.checkpoints}
        assert not missing, f"invariant 5: sections {missing} would be bought again"
        if not self._has_all_items():
            self._may_reuse_indexes = self._may_reuse_indexes or self._began_without_items
            self._began_without_items = True
        if claim.attempt > 1 and redis_fate != "done":
            self._is_log_lost = self._may_reuse_indexes = True  # an attempt that cannot read the log begins without it
        run = Run(self.storage, claim, self.settings, self.word, self._before_call)
        self.runs.append(run)
        self._all_runs.append(run)
        run.log.fate = redis_fate
        run.begin()
        run.log.fate = "done"

    def rescue(self, sql: str = "done") -> None:
        """The worker that has the job is taken for dead, be it so or not."""
        row = self.storage.row()
        if row is not None and row["worker"]:
            rows = FatedRows(self.storage.rows, self._before_call)
            rows.fate = sql
            with suppress(OperationalError):
                rows.requeue_orphans(row["worker"])

    # -- the web

    def delete(self) -> None:
        """The owner removes the job."""
        with suppress(JobNotFound):
            self.storage.store.delete(OWNER, self.storage.job.id)
        self.is_deleted = True
        self.storage.log.delete(self.storage.job.id)

    def cancel(self, *, graceful: bool = False) -> None:
        """The owner wants it no more; or, gracefully, no more of it."""
        with suppress(JobNotFound):
            self.storage.store.request_cancel(OWNER, self.storage.job.id, graceful=graceful)

    # -- Redis

    def save(self) -> None:
        """Redis writes its state to disk."""
        self.saved.append(self.storage.save())

    def roll_back(self, index: int) -> None:
        """Redis comes back as it was at some time. Not for a deleted job: its text does come back, until it expires."""
        is_noted = self._noted_tail() == self._cursor
        self._fence = max(self._fence, self.storage.fence())
        self.storage.roll_back(self.saved[index])
        self._forgot_takeover = self._forgot_takeover or self.storage.fence() < self._fence
        self._is_log_short = True
        self._may_reuse_indexes = self._may_reuse_indexes or not is_noted
        self._is_log_lost = self._is_log_lost or not is_noted or not self._has_all_items()

    def lose(self, *names: str) -> None:
        """Redis comes back without these keys."""
        self._is_log_lost = self._may_reuse_indexes = True
        self._fence = max(self._fence, self.storage.fence())
        self.storage.lose(*names)

    # -- what holds

    @contextmanager
    def guarded(self, run: Run) -> Iterator[None]:
        """A replaced attempt changes neither row nor log (unless the log has lost its fence: the row never)."""
        self._was_interrupted = False
        before = self.storage.row()
        logged = self._logged()
        fence = self.storage.fence()
        stale = before is None or before["attempt"] != run.number or before["status"] != Status.IN_PROGRESS
        yield
        if stale and not self._was_interrupted:
            assert self.storage.row() == before, "invariant 4: a replaced attempt changed the row"
            if fence > run.number:
                assert self._logged() == logged, "invariant 4: a replaced attempt changed the log"

    def check(self) -> None:
        """What holds after each step."""
        row = self.storage.row()
        self._check_checkpoints(row)
        self._show(self._logged())
        if self.is_deleted:
            assert row is None, "a deleted job is back"
        if row is not None and Status(row["status"]).is_terminal:
            if self._ended is None:
                self._ended = row
                self._check_end(row)
            assert row == self._ended, "invariant 3: an ended job has changed"
        assert self._ended is None or row is not None or self.is_deleted, "invariant 1: an ended job is gone"

    def check_over(self) -> None:
        """What holds once all is well again and every attempt has noticed it."""
        row = self.storage.row()
        assert self.is_deleted or row is not None, "invariant 1: an accepted job is gone"
        if row is None:
            assert not self._logged(), "the text of a deleted job is back in Redis"
            return
        assert Status(row["status"]).is_terminal, "invariant 1: a job does not end"
        self._show((events.number_of(frame), frame) for frame in self._transcript())  # as the relay does
        if not (self._is_log_lost or self._forgot_takeover) and (
            row["status"] == Status.COMPLETED or not self._is_log_short
        ):
            newest = {item.id: index for index, item in self._viewer.items.items()}  # a restart may use an id again
            self._viewer.items = {index: self._viewer.items[index] for index in newest.values()}
            seen = _text(self._viewer.output())
            assert seen == _text(orjson.loads(row["response"])["output"]), "invariant 2: a viewer has other text"

    def _check_checkpoints(self, row: Row | None) -> None:
        if row is None or row["response"] is not None:
            return
        stored = {section: _text(items) for section, items in self.storage.checkpoints().items()}
        for section, text in self._committed.items():
            assert stored.get(section) == text, "invariant 5: a checkpoint has changed"
        self._committed = stored

    def _check_end(self, row: Row) -> None:
        response = orjson.loads(row["response"])
        written = list(events.events_of(self._transcript()))
        fold = Fold()
        deltas: dict[tuple[int, int], str] = {}
        for event in written:
            fold.feed(event)
            place = (event.get("output_index", -1), event.get("content_index", -1))
            if event["type"].endswith(".delta"):
                deltas[place] = deltas.get(place, "") + event["delta"]
            elif event["type"].endswith("text.done"):
                assert deltas.get(place, "") == event["text"], "oracle: deltas and text.done differ"
            elif event["type"] == events.CALL_DONE:
                assert deltas.get(place, "") == event["arguments"], "oracle: deltas and arguments.done differ"
        numbers = [event["sequence_number"] for event in written]
        assert numbers == sorted(set(numbers)), "invariant 2: numbers repeat or go back"
        assert sum(event["type"] in events.TERMINAL for event in written) == 1, "invariant 3: not one end"
        folded = fold.response()
        assert (folded["status"], text_of(folded)) == (row["status"], text_of(response)), "invariant 3: fold != stored"
        if row["status"] == Status.COMPLETED:
            assert any(run.said_all for run in self._all_runs), "invariant 6: completed without the model's end"
            assert row["cancel_requested_at"] is None, "a cancelled job is completed"
        self._check_sections(response)

    def _check_sections(self, response: Mapping[str, Any]) -> None:
        """Each finished section has exactly one run in the output, which says what its checkpoint says."""
        for section, text in self._committed.items():
            items = [item for item in response["output"] if item["penstock"]["section"] == section]
            assert _text(items) == text, f"oracle: section {section} is not its checkpoint"

    def _show(self, frames: Iterable[tuple[int, bytes]]) -> None:
        """The viewer sees what is new to it."""
        for number, frame in frames:
            assert self._frames.setdefault(number, frame) == frame, "invariant 2: a number stands for two events"
            if number > self._cursor and not self._forgot_takeover:
                self._cursor = number
                event = events.event_of(frame)
                if event["type"] == events.ITEM_ADDED and not self._may_reuse_indexes:
                    is_new = event["output_index"] not in self._viewer.items
                    assert is_new, "invariant 2: an output index stands for two items"
                self._viewer.feed(event)

    def _has_all_items(self) -> bool:
        """Whether the log has every item that the viewer has seen, if not all of its text."""
        logged = Fold()
        for _, frame in self._logged():
            logged.feed(events.event_of(frame))
        return logged.items.keys() >= self._viewer.items.keys()

    def _transcript(self) -> list[bytes]:
        packed = self.storage.store.transcript(self.storage.job.id)
        assert packed is not None, "invariant 3: an end without a transcript"
        return [frame for page in transcript.read(packed) for frame in page]

    def _noted_tail(self) -> int:
        """The last number that the log had when an attempt noted how far it was."""
        row = self.storage.row()
        progress = row["progress"] if row else None
        noted = orjson.loads(progress) if isinstance(progress, str) else progress or {}
        return int(noted.get("log", {"tail": -1})["tail"])

    def _logged(self) -> list[tuple[int, bytes]]:
        return [entry for page in self.storage.log.read(self.storage.job.id) for entry in page]


def _text(items: Sequence[Mapping[str, Any]]) -> str:
    """The answers in these items, and the arguments of calls."""
    answers = (item for item in items if item["type"] != "reasoning")
    return "".join(
        item.get("arguments") or "".join(part["text"] for part in item.get("content", ())) for item in answers
    )

"""A row and a log as they are meant to behave, in memory: what a thousand runs a second need.

No stand-in that another test may use: tests/contract/worker/test_attempt_machine.py compares each step of it with a
real database and a real Redis.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson

from jobs.errors import JobNotFound
from jobs.job import Job, Status
from jobs.protocol import events, response
from jobs.protocol.transcript import TranscriptWriter
from jobs.storage.attempts import BLOCK, INDEX_BLOCK, Checkpoint, Claim, Finish, Note, Replaced
from jobs.transport.event_log import Append, AppendResult, AppendStatus
from tests.support.attempts.storage import COLUMNS, Items, Row

Pages = Iterable[Sequence[tuple[int, bytes]]]


class MemoryRows:
    """The rows of one job, with the methods of AttemptStore and of Store that matter to it."""

    def __init__(self, job: Job) -> None:
        self.job: Job | None = job
        self.worker: str | None = None
        self.checkpoints: dict[int, Checkpoint] = {}
        self.frames: bytes | None = None

    # -- a worker's

    def claim_one(self, job_id: str, worker: str) -> Claim | None:  # noqa: ARG002
        job = self.job
        if job is None or job.status is not Status.QUEUED:
            return None
        self.worker = worker
        self.job = replace(
            job,
            status=Status.IN_PROGRESS,
            attempt=job.attempt + 1,
            seq_mark=job.seq_mark + BLOCK,
            index_mark=job.index_mark + INDEX_BLOCK,
            started_at=job.started_at or time.time(),
        )
        finished = [self.checkpoints[number] for number in sorted(self.checkpoints)]
        return Claim(self.job, job.seq_mark, job.index_mark, finished)

    def images(self, claim: Claim) -> dict[str, bytes]:  # noqa: ARG002
        return {}

    def is_current(self, claim: Claim) -> bool:
        job = self.job
        return job is not None and (job.attempt, job.status) == (claim.attempt, Status.IN_PROGRESS)

    def reserve(self, claim: Claim, seq_mark: int, index_mark: int) -> None:
        if not self.is_current(claim):
            raise Replaced
        self._set(seq_mark=seq_mark, index_mark=index_mark)

    def checkpoint(self, claim: Claim, finished: Checkpoint) -> None:
        if not self.is_current(claim):
            raise Replaced
        items = orjson.loads(orjson.dumps(finished.items))
        self.checkpoints[finished.section] = replace(finished, items=items)

    def finish(self, note: Note, final: Mapping[str, Any], frames: bytes) -> Finish:
        job = self.job
        if job is None or job.attempt != note.claim.attempt or job.status is Status.QUEUED:
            return Finish.REPLACED
        if job.status is not Status.IN_PROGRESS:
            return Finish.DONE
        if job.cancel_requested_at and final["status"] != Status.CANCELLED:
            return Finish.CANCEL_WON
        self._end(final, frames, orjson.loads(note.progress))
        return Finish.DONE

    def give_back(self, claim: Claim, next_number: int) -> bool:
        if not self.is_current(claim):
            return False
        self.worker = None
        self._set(status=Status.QUEUED, seq_mark=next_number)
        return True

    def note_progress(self, notes: Sequence[Note]) -> None:
        for note in notes:
            if self.is_current(note.claim):
                self._set(progress=orjson.loads(note.progress), first_token_at=note.first_text_at)

    def requeue_orphans(self, worker: str) -> int:
        job = self.job
        if job is None or job.status is not Status.IN_PROGRESS or self.worker != worker:
            return 0
        self.worker = None
        self._set(status=Status.QUEUED, rescues=job.rescues + 1)
        return 1

    # -- the web's

    def statuses(self, job_ids: Collection[str]) -> dict[str, Status]:  # noqa: ARG002
        return {self.job.id: self.job.status} if self.job else {}

    def transcript(self, job_id: str) -> bytes | None:  # noqa: ARG002
        return self.frames

    def delete(self, owner: str, job_id: str) -> None:  # noqa: ARG002
        if self.job is None:
            raise JobNotFound(job_id)
        self.job = self.frames = self.worker = None
        self.checkpoints = {}

    def request_cancel(self, owner: str, job_id: str, *, graceful: bool = False) -> None:  # noqa: ARG002
        job = self.job
        if job is None:
            raise JobNotFound(job_id)
        wish = "stop_requested_at" if graceful else "cancel_requested_at"
        if job.status is Status.QUEUED and job.attempt == 0:
            self._end_unstarted(job)
        elif not job.status.is_terminal and getattr(job, wish) is None:
            self._set(**{wish: time.time()})

    def _end_unstarted(self, job: Job) -> None:
        queued = events.event_of(events.split(job.initial_frames)[0])["response"]
        final = response.ended(queued, Status.CANCELLED, now=time.time(), text="")
        transcript = TranscriptWriter()
        transcript.add(job.initial_frames)
        self._end(
            final,
            transcript.closed(events.frame(response.terminal_kind(Status.CANCELLED), 2, {"response": final})),
            None,
        )

    def _end(self, final: Mapping[str, Any], frames: bytes, progress: dict[str, Any] | None) -> None:
        assert self.job is not None
        cancelled = self.job.cancel_requested_at or time.time()
        wish = {"cancel_requested_at": cancelled} if final["status"] == Status.CANCELLED else {}
        self._set(status=Status(final["status"]), response=orjson.dumps(final), progress=progress, **wish)
        self.frames = frames
        self.checkpoints = {}

    def _set(self, **values: Any) -> None:
        assert self.job is not None
        self.job = replace(self.job, **values)


class MemoryLog:
    """The log of one job, with the methods of EventLog that an attempt uses."""

    def __init__(self) -> None:
        self.frames: dict[int, bytes] = {}
        self.fence = 0
        self._last = -1

    @property
    def _tail(self) -> int:
        return next(reversed(self.frames), -1)

    def append(self, batches: Sequence[Append]) -> list[AppendResult]:
        return [self._append(batch) for batch in batches]

    def _append(self, batch: Append) -> AppendResult:
        if self.fence > batch.attempt:
            return AppendResult(AppendStatus.STALE, self.fence)
        if self.fence < batch.attempt or len(self.frames) < batch.held or self._tail < batch.before:
            return AppendResult(AppendStatus.LOST, self._tail)
        for number, frame in enumerate(batch.frames, batch.first):
            if number > self._tail:
                self.frames[number] = frame
        self._last = max(self._last, self._tail)
        return AppendResult(AppendStatus.OK, batch.first + len(batch.frames) - 1)

    def take(self, job_id: str, attempt: int) -> AppendResult:  # noqa: ARG002
        if self.fence > attempt:
            return AppendResult(AppendStatus.STALE, self.fence)
        self.fence = attempt
        return AppendResult(AppendStatus.OK, self._tail)

    def rebuild(self, job_id: str, attempt: int, pages: Pages) -> AppendResult:  # noqa: ARG002
        frames = {number: frame for page in pages for number, frame in page}
        if self.fence > attempt:
            return AppendResult(AppendStatus.STALE, self.fence)
        if self.fence < attempt:
            return AppendResult(AppendStatus.LOST, self._tail)
        self.frames = frames
        self._last = self._tail
        return AppendResult(AppendStatus.OK, self._tail)

    def read(self, job_id: str, after: int = -1) -> Iterator[list[tuple[int, bytes]]]:  # noqa: ARG002
        page = [(number, frame) for number, frame in self.frames.items() if number > after]
        return iter([page] if page else [])

    def last_added(self, job_id: str) -> int:  # noqa: ARG002
        return self._last

    def server_id(self) -> str:
        return "memory"

    def delete(self, job_id: str) -> None:  # noqa: ARG002
        self.lose("log", "fence")

    def lose(self, *names: str) -> None:
        """Forget these keys."""
        if "log" in names:
            self.frames = {}
            self._last = -1
        if "fence" in names:
            self.fence = 0

    def copy(self) -> MemoryLog:
        """The log as it is now."""
        other = copy(self)
        other.frames = dict(self.frames)
        return other


class MemoryStorage:
    """A job in memory."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.rows = self.store = MemoryRows(job)
        self.log = MemoryLog()

    def row(self) -> Row | None:
        job = self.rows.job
        values = SimpleNamespace(worker=self.rows.worker)
        return {name: getattr(values if name == "worker" else job, name) for name in COLUMNS} if job else None

    def checkpoints(self) -> dict[int, Items]:
        return {number: checkpoint.items for number, checkpoint in self.rows.checkpoints.items()}

    def fence(self) -> int:
        return self.log.fence

    def save(self) -> MemoryLog:
        return self.log.copy()

    def roll_back(self, saved: MemoryLog) -> None:
        restored = saved.copy()
        self.log.frames, self.log.fence, self.log._last = restored.frames, restored.fence, restored._last

    def lose(self, *names: str) -> None:
        self.log.lose(*names)

"""A job as the database holds it, and the states it may pass through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jobs.requests.job_request import JobRequest


class Status(StrEnum):
    """OpenAI's six, verbatim."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INCOMPLETE = "incomplete"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow."""
        return not TRANSITIONS[self]


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.IN_PROGRESS, Status.CANCELLED}),
    Status.IN_PROGRESS: frozenset(
        {Status.COMPLETED, Status.FAILED, Status.INCOMPLETE, Status.CANCELLED, Status.QUEUED}
    ),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.INCOMPLETE: frozenset(),
}


NO_PROGRESS: Mapping[str, Any] = {"done": 0, "total": 1, "words": 0}


@dataclass(frozen=True, slots=True)
class ListedJob:
    """What lists need of a row of `jobs`: neither what was asked nor what was written. Times are Unix seconds.

    `prompt` is the id of its prompt. `progress` is how far it is: the sections `done` and the `total`, its `words` and
    their `curve`; None before the worker has noted any. `title` is what lists call it, unless its owner calls it by a
    `name`; `starred` is 1 if it has a star, and `labels` are its labels as one text. `held_at` is since when it waits
    for a person. At the end `words` is how long its text is, `tokens` how many the model says it wrote, and `outcome`
    what jobs/protocol/outcome.py makes of its response, as JSON.
    """

    id: str
    owner: str
    status: Status
    created_at: float
    attempt: int
    tier: int
    model: str
    prompt: str | None
    target_words: int | None
    cancel_requested_at: float | None
    stop_requested_at: float | None
    held_at: float | None
    started_at: float | None
    first_token_at: float | None
    ended_at: float | None
    progress: dict[str, Any] | None
    words: int | None
    tokens: int | None
    title: str | None
    name: str | None
    starred: int
    labels: str | None
    outcome: str | None

    @property
    def noted_progress(self) -> Mapping[str, Any]:
        """The progress that the row has: a little behind the log while the job runs."""
        return self.progress or NO_PROGRESS

    @property
    def is_stopping(self) -> bool:
        """Whether the job was asked to end and has not ended yet."""
        requested = self.cancel_requested_at is not None or self.stop_requested_at is not None
        return requested and not self.status.is_terminal

    @property
    def share(self) -> float | None:
        """How much of the job is done, from 0 to 1; None when nothing says how much there will be."""
        progress = self.noted_progress
        if self.target_words:
            return min(1.0, float(progress["words"] / self.target_words))
        return float(progress["done"] / progress["total"]) if progress["total"] > 1 else None


@dataclass(frozen=True, slots=True)
class Job(ListedJob):
    """One row of `jobs`, without its transcript.

    `request` is what was accepted, `changed_metadata` its metadata if the owner has changed it since,
    `initial_frames` the frames numbered 0 and 1, `response` the terminal response object as JSON bytes, None until the
    job has ended.
    """

    rescues: int
    seq_mark: int
    index_mark: int
    request: JobRequest
    changed_metadata: Mapping[str, str] | None
    initial_frames: bytes
    response: bytes | None

    @property
    def root_id(self) -> str:
        """The id of the first of the jobs that this one belongs to; its own when it is the first."""
        return self.request.root or self.id

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata as it is now."""
        return self.request.metadata if self.changed_metadata is None else self.changed_metadata

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


@dataclass(frozen=True, slots=True)
class Job:
    """One row of `jobs`, without its transcript. Times are Unix seconds.

    `request` is what was accepted, `initial_frames` the frames numbered 0 and 1,
    `response` the terminal response object as JSON bytes, None until the job has ended. `progress` is how far it is:
    the sections `done` and the `total`, its `words` and their `curve`; None before the worker has noted any. At the
    end `title` is what lists call it, `words` is how long its text is, and `tokens` how many the model says it wrote.
    """

    id: str
    owner: str
    status: Status
    created_at: float
    attempt: int
    rescues: int
    seq_mark: int
    index_mark: int
    request: JobRequest
    initial_frames: bytes
    cancel_requested_at: float | None
    stop_requested_at: float | None
    started_at: float | None
    first_token_at: float | None
    ended_at: float | None
    progress: dict[str, Any] | None
    words: int | None
    tokens: int | None
    title: str | None
    response: bytes | None

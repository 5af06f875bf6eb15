"""How a job, or a section of it, ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jobs.job import Status
from jobs.protocol import response
from jobs.status.details import StatusDetails
from worker.model.errors import ModelError

# Why an answer is incomplete that came to an early end because somebody wanted it to.
STOPPED = "stopped"
# What is said of an answer without a word.
ONLY_REASONING = "The model gave no answer, only reasoning."
NO_ANSWER = "The model gave no answer."


def total_usage(usages: Iterable[Mapping[str, int] | None]) -> Mapping[str, int] | None:
    """What several answers cost together; None when nobody said what any of them cost."""
    known = [usage for usage in usages if usage]
    return {name: sum(usage[name] for usage in known) for name in known[0]} if known else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reason` is why it is incomplete, `error` {code, message} why it failed, and `cause` the same for people.

    `usage` is what it cost in tokens.
    """

    status: Status
    reason: str | None = None
    error: Mapping[str, str] | None = None
    usage: Mapping[str, int] | None = None
    cause: StatusDetails | None = None

    @classmethod
    def failed(cls, message: str, cause: str) -> Outcome:
        """The end of what cannot go on, in the words of whoever was at fault; `cause` is a code of StatusDetails."""
        error = {"code": response.SERVER_ERROR, "message": message}
        return cls(Status.FAILED, error=error, cause=StatusDetails(cause))

    @classmethod
    def failed_model(cls, error: ModelError, cause: StatusDetails, usage: Mapping[str, int] | None = None) -> Outcome:
        """The end of what a model's fault lets go no further."""
        told = {"code": error.code, "message": error.message}
        return cls(Status.FAILED, error=told, usage=usage, cause=cause)

"""How a job, or a section of it, ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jobs.job import Status
from jobs.protocol import response

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
    """`reason` is why it is incomplete, `error` {code, message} why it failed, `usage` what it cost in tokens."""

    status: Status
    reason: str | None = None
    error: Mapping[str, str] | None = None
    usage: Mapping[str, int] | None = None

    @classmethod
    def failed(cls, message: str, code: str = response.SERVER_ERROR) -> Outcome:
        """The end of what cannot go on, in the words of whoever was at fault."""
        return cls(Status.FAILED, error={"code": code, "message": message})

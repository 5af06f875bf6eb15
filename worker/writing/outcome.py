"""How a job, or a section of it, ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.job import Status
from jobs.protocol import response

# Why an answer is incomplete that came to an early end because somebody wanted it to.
STOPPED = "stopped"


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

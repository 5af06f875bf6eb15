"""What an ended response has otherwise than when it was accepted: enough to list it, and small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from jobs.job import ListedJob
from jobs.protocol.response import initial
from jobs.requests.job_request import JobRequest


def outcome_of(final: Mapping[str, Any], created_at: float, request: JobRequest) -> str:
    """The fields of a terminal response that it did not have at first, without its output, as JSON."""
    at_first = initial(final["id"], created_at, request)
    changed = {name: value for name, value in final.items() if name != "output" and value != at_first.get(name, ...)}
    return orjson.dumps(changed).decode()


def without_output(job: ListedJob, request: JobRequest) -> dict[str, Any]:
    """A job's response as lists have it, with an empty output: that of its end, or what its row tells before."""
    at_first = initial(job.id, job.created_at, request)
    if job.outcome is not None:
        return {**at_first, **orjson.loads(job.outcome)}
    return {**at_first, "status": job.status, "penstock": {**at_first["penstock"], "attempt": job.attempt}}

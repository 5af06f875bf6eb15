"""Ask for the end of a job: its row says so for good, a wake-up makes it quick."""

from __future__ import annotations

import time

from jobs.errors import JobNotFound
from jobs.job import Job
from web.context import WebContext

_POLL_SECONDS = 0.05


def cancel(context: WebContext, owner: str, job_id: str, *, graceful: bool = False, wait_seconds: float = 0.0) -> Job:
    """Request the end and wait for it at most `wait_seconds`; returns the job as it is then. Raises JobNotFound.

    A `graceful` end lets the sentences that are being written come to their end, and the job is incomplete.
    """
    began = time.time()
    job = context.store.request_cancel(owner, job_id, graceful=graceful)
    context.telemetry.cancelled(job, began)
    context.wakeups.cancel(job_id)
    deadline = time.monotonic() + wait_seconds
    while not job.status.is_terminal and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        try:
            job = context.store.get(owner, job_id)
        except JobNotFound:
            return job
    return job

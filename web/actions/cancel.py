"""The end of a job at somebody's wish: stopped, or deleted with all that belongs to it."""

from __future__ import annotations

import time

from jobs.errors import JobNotFound
from jobs.job import Job
from web.context import WebContext

_DELETE_SECONDS = 10.0
_POLL_SECONDS = 0.05


def cancel(context: WebContext, job: Job, seconds: float, *, graceful: bool = False) -> Job:
    """Ask for the end and wait for it, but not for long: it comes all the same."""
    job = context.store.request_cancel(job.owner, job.id, graceful=graceful)
    context.wakeups.cancel(job.id)
    deadline = time.monotonic() + seconds
    while not job.status.is_terminal and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        try:
            job = context.store.get(job.owner, job.id)
        except JobNotFound:
            return job
    return job


def delete(context: WebContext, owner: str, job_id: str) -> None:
    """Cancel a job if it runs, and remove it. Raises JobNotFound."""
    job = context.store.get(owner, job_id)
    if not job.status.is_terminal:
        cancel(context, job, _DELETE_SECONDS)
    context.store.delete(owner, job_id)
    context.wakeups.deleted(job_id)

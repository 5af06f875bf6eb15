"""The end of a job at somebody's wish: stopped, or deleted with all that belongs to it."""

from __future__ import annotations

import time

from jobs.errors import JobNotFound
from jobs.job import Job
from web.context import Site

_DELETE_SECONDS = 10.0
_POLL_SECONDS = 0.05


def cancel(site: Site, job: Job, seconds: float, *, graceful: bool = False) -> Job:
    """Ask for the end and wait for it, but not for long: it comes all the same."""
    job = site.store.request_cancel(job.owner, job.id, graceful=graceful)
    site.outbox.cancel(job.id)
    deadline = time.monotonic() + seconds
    while not job.status.is_terminal and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        try:
            job = site.store.get(job.owner, job.id)
        except JobNotFound:
            return job
    return job


def delete(site: Site, owner: str, job_id: str) -> None:
    """Cancel a job if it runs, and remove it. Raises JobNotFound."""
    job = site.store.get(owner, job_id)
    if not job.status.is_terminal:
        cancel(site, job, _DELETE_SECONDS)
    site.store.delete(owner, job_id)
    site.outbox.deleted(job_id)

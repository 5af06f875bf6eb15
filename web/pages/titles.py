"""The title under which pages show a job."""

from __future__ import annotations

import orjson

from jobs.job import Job
from jobs.protocol.fold import text_of
from jobs.requests.title import title_of


def title(job: Job) -> str:
    """The title stored at the job's end; before it, and in rows older than that column, one made now."""
    if job.title is not None:
        return job.title or job.id
    text = text_of(orjson.loads(job.response)) if job.response else ""
    return title_of(job.request, text) or job.id

"""The title under which pages show a job."""

from __future__ import annotations

from jobs.job import ListedJob


def title(job: ListedJob) -> str:
    """The stored title, else the id."""
    return job.title or job.id

"""The title under which pages show a job."""

from __future__ import annotations

from jobs.job import ListedJob


def title(job: ListedJob) -> str:
    """The name that its owner gave it, else the stored title, else the id."""
    return job.name or job.title or job.id

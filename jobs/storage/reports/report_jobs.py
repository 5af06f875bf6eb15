"""The jobs that belong together: versions of a report, and turns that go on with a text."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_

from jobs.job import Job
from jobs.storage.database import Database
from jobs.storage.rows import job_of, select_jobs
from jobs.storage.schema import HAS_ENDED, jobs

# The newest ones count: each is read with its whole text.
MOST_JOBS = 100


class ReportJobs:
    """Finds them in the database. `owner` is always checked: another's do not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ended(self, owner: str, root_id: str) -> list[Job]:
        """Those that have ended and are still there, the oldest first; `root_id` is the first one's."""
        return self._together(owner, root_id, HAS_ENDED)

    def others(self, job: Job) -> list[Job]:
        """Those that belong together with a job, also those that wait or run."""
        return self._together(job.owner, job.root_id, jobs.c.id != job.id)

    def _together(self, owner: str, root_id: str, *conditions: ColumnElement[bool]) -> list[Job]:
        together = or_(jobs.c.id == root_id, jobs.c.root_id == root_id)
        mine = select_jobs().where(jobs.c.owner == owner, together, *conditions)  # invariant 8
        newest = mine.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(MOST_JOBS)
        with self._database.read() as connection:
            return [job_of(row) for row in connection.execute(newest).mappings()][::-1]

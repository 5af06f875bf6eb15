"""Jobs that wait for a person: in progress and with no worker, until somebody lets them go on.

A job is held once its plan is a checkpoint; what a person makes of the plan is written into that checkpoint, in the
transaction that queues the job again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, and_, case, select, update

from jobs.job import Status
from jobs.storage.database import Database, until_written
from jobs.storage.schema import IS_HELD, checkpoints, jobs

# The section whose checkpoint has the plan.
_PLAN = 0
# A client waits for its answer; what takes longer is an error that it may send again.
_WRITE_SECONDS = 3.0


class Review(StrEnum):
    """What became of a plan that waited for a person, as its checkpoint has it; nothing while it waits."""

    AGREED = "agreed"
    EXPIRED = "expired"


def held_values() -> dict[str, Any]:
    """The columns of a job that a worker lets wait; one that is to end is queued instead."""
    is_to_end = jobs.c.cancel_requested_at.is_not(None) | jobs.c.stop_requested_at.is_not(None)
    return {
        "status": case((is_to_end, Status.QUEUED), else_=Status.IN_PROGRESS),
        "held_at": case((is_to_end, None), else_=time.time()),
    }


def released_values() -> dict[str, Any]:
    """The columns of a job that is to end: if it is held, a worker has to do that."""
    return {"status": case((jobs.c.held_at.is_not(None), Status.QUEUED), else_=jobs.c.status), "held_at": None}


class PlanReviews:
    """The plans in the database, as those see them who agree on them. The caller checks whose the job is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def plan(self, job_id: str) -> tuple[dict[str, Any], Review | None] | None:
        """The outline of a job that has not ended, and what became of it; None before it is planned."""
        with self._database.read() as connection:
            items = _plan_items(connection, job_id)
        if not items:
            return None
        review = items[0].get("review")
        return items[0]["outline"], Review(review) if review else None

    def agree(self, job_id: str, outline: Mapping[str, Any]) -> bool:
        """Let the job be written by this outline; false, and nothing changed, when it does not wait for that."""
        return until_written(lambda: self._release(job_id, Review.AGREED, outline), seconds=_WRITE_SECONDS)

    def expire(self, before: float, limit: int) -> int:
        """Have up to `limit` jobs ended that are held since before this time (Unix s). Returns how many."""
        old = select(jobs.c.id).where(IS_HELD, jobs.c.held_at < before).limit(limit)
        with self._database.read() as connection:
            job_ids = connection.execute(old).scalars().all()
        return sum(self._release(job_id, Review.EXPIRED) for job_id in job_ids)

    def _release(self, job_id: str, review: Review, outline: Mapping[str, Any] | None = None) -> bool:
        queued = {"status": Status.QUEUED, "held_at": None}
        with self._database.write() as connection:
            if not connection.execute(update(jobs).where(_is_held(job_id)).values(queued)).rowcount:
                return False
            first, *others = _plan_items(connection, job_id)
            first = {**first, "review": review, **({"outline": outline} if outline else {})}
            items = orjson.dumps([first, *others]).decode()
            connection.execute(update(checkpoints).where(_is_plan(job_id)).values(items=items))
            return True


def _is_held(job_id: str) -> ColumnElement[bool]:
    return and_(jobs.c.id == job_id, jobs.c.status == Status.IN_PROGRESS, jobs.c.held_at.is_not(None))


def _is_plan(job_id: str) -> ColumnElement[bool]:
    return and_(checkpoints.c.job_id == job_id, checkpoints.c.section == _PLAN)


def _plan_items(connection: Connection, job_id: str) -> list[dict[str, Any]]:
    items = connection.execute(select(checkpoints.c["items"]).where(_is_plan(job_id))).scalar_one_or_none()
    return orjson.loads(items) if items else []

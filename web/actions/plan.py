"""The plan of a report: what it is, and what a person makes of it before it is written."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from jobs.errors import InvalidRequest
from jobs.job import Job
from jobs.requests.plan import Plan
from jobs.storage.queue.held import Review
from web.context import WebContext


class PlanState(NamedTuple):
    """The outline of a job, as JSON, and whether it waits for somebody to agree."""

    outline: dict[str, Any]
    waits: bool


def plan_of(context: WebContext, job: Job) -> PlanState:
    """The plan of a job. Raises InvalidRequest when it has none, or none yet."""
    if not job.request.plan:
        raise _refused("This response has no plan: only a prompt that plans makes one, as 'report'.", "no_plan")
    if job.response is not None:
        outline = orjson.loads(job.response)["penstock"].get("outline")
    else:
        outline, _review = context.plan_reviews.plan(job.id) or (None, None)
    if outline is None:
        raise _refused("This response has no plan yet: `penstock.waiting` says when it has.", "no_plan")
    return PlanState(outline, job.held_at is not None)


def agree(context: WebContext, owner: str, job_id: str, plan: Plan) -> Job:
    """Have a job written by this plan; once more with the same plan is no error.

    Raises JobNotFound, and InvalidRequest when its plan does not wait.
    """
    outline = plan.model_dump()
    waits = plan_of(context, context.store.get(owner, job_id)).waits
    if waits and context.plan_reviews.agree(job_id, outline):
        context.wakeups.job(job_id)
    elif context.plan_reviews.plan(job_id) != (outline, Review.AGREED):
        raise _refused(
            "The plan of this response does not wait: it is being written, or has ended.", "plan_not_waiting"
        )
    return context.store.get(owner, job_id)


def _refused(message: str, code: str) -> InvalidRequest:
    return InvalidRequest(message, code=code)

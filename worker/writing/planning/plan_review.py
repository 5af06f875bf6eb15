"""A plan that a person is to agree on: the job waits for that without a worker, and goes on by what they made of it."""

from __future__ import annotations

from jobs.storage.queue.held import Review
from worker.attempt_state import Reason
from worker.model.chunks import Kind
from worker.writing.attempt_context import AttemptContext
from worker.writing.outline.outline import Outline
from worker.writing.planning.plan_report import PLAN, keep_plan
from worker.writing.section import Section

# Why a report is incomplete on whose plan nobody agreed in time.
PLAN_EXPIRED = "plan_expired"


def is_agreed(attempt: AttemptContext, outline: Outline) -> bool:
    """Whether the report is to be written; False when nobody agreed on its plan in time.

    Raises Stopped when the job has to wait for that. A job that is winding down waits for nothing.
    """
    if not attempt.claim.job.request.review or attempt.cancellation.is_winding_down:
        return True
    plan = next((checkpoint for checkpoint in attempt.claim.checkpoints if checkpoint.section == PLAN), None)
    review = plan.items[0].get("review") if plan else None
    if plan is None or review is None:
        attempt.cancellation.request(Reason.REVIEW)
        attempt.cancellation.check()
    elif review == Review.AGREED and plan.items[0]["summary"][0]["text"] != outline.lines():
        section = Section(attempt.writer, PLAN, answer=Kind.PLAN)
        section.open()
        section.write(Kind.PLAN, outline.lines())
        keep_plan(attempt, section, outline, plan.usage, review=Review.AGREED)
    return review == Review.AGREED

"""`/v1/responses/{id}/plan`: a report's plan, to look at and to agree on."""

from __future__ import annotations

from flask import Response, g, request

from jobs.requests.generation import validated
from jobs.requests.plan import Plan
from web.actions.plan import agree, plan_of
from web.api import render
from web.context import WebContext


class PlanApi:
    """The handlers of `/v1/responses/{id}/plan`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def show(self, job_id: str) -> Response:
        """The plan of a job."""
        outline, waits = plan_of(self._context, self._context.store.get(g.owner, job_id))
        return render.json({"object": "response.plan", "id": job_id, "waiting": waits, **outline})

    def agree(self, job_id: str) -> Response:
        """Have the job written by the plan in the body; the job as it is then."""
        self._context.store.get(g.owner, job_id)
        plan = validated(Plan, request.get_data())
        return render.response(self._context, agree(self._context, g.owner, job_id, plan))

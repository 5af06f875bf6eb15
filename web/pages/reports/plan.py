"""`/jobs/{id}/plan`: the plan of a report, to be changed and agreed on before it is written."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import g, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict

from jobs.errors import InvalidRequest, JobNotFound
from jobs.requests.generation import validated
from jobs.requests.plan import Plan
from web.actions.plan import PlanState, agree, plan_of
from web.context import WebContext
from web.pages.i18n import _
from web.pages.titles import title

# What the form shows beside the plan's sections, to be filled in.
_EMPTY_SECTIONS = 2


class PlanPage:
    """The handlers of `/jobs/{id}/plan`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def show(self, job_id: str) -> Any:
        """The plan as a form; only to read when it does not wait."""
        try:
            job = self._context.store.get(g.owner, job_id)
        except JobNotFound:
            return render_template("missing.html"), 404
        try:
            return self._page(job_id, plan_of(self._context, job))
        except InvalidRequest:  # it has no plan, or none yet
            return redirect(url_for("job.show", job_id=job_id), 303)

    def write(self, job_id: str) -> Any:
        """The form was sent: to the job's page, or back to the form with what is wrong."""
        self._context.store.get(g.owner, job_id)
        outline = _outline(request.form)
        try:
            agree(self._context, g.owner, job_id, validated(Plan, outline))
        except InvalidRequest as error:
            return self._page(job_id, PlanState(outline, waits=True), error.sentence(_)), 400
        return redirect(url_for("job.show", job_id=job_id), 303)

    def _page(self, job_id: str, plan: PlanState, problem: str = "") -> str:
        job = self._context.store.get(g.owner, job_id)
        return render_template(
            "plan.html", job=job, title=title(job), plan=plan, problem=problem, empty_sections=_EMPTY_SECTIONS
        )


def _outline(form: MultiDict[str, str]) -> dict[str, Any]:
    """The plan in a form: its sections by their places; one without a title is dropped."""
    fields = [form.getlist(name) for name in ("place", "section", "brief", "sources")]
    sections = [
        (_number(place), {"title": name, "brief": brief, "sources": sources.split()})
        for place, name, brief, sources in zip(*fields, strict=False)
        if name.strip()
    ]
    return {"title": form.get("title", ""), "sections": [section for _, section in sorted(sections, key=_place)]}


def _place(section: tuple[float, dict[str, Any]]) -> float:
    return section[0]


def _number(text: str) -> float:
    """A place as it was typed; what is no number comes last."""
    with suppress(ValueError):
        return float(text)
    return float("inf")

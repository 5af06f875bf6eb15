"""`/jobs/{id}/sections/{number}`: the versions of a report's section, side by side, and a wish for another one."""

from __future__ import annotations

from typing import Any

from flask import g, redirect, render_template, request, url_for
from markupsafe import Markup

from jobs.errors import InvalidRequest, JobNotFound, LimitReached
from jobs.job import Job
from jobs.requests.generation import validated
from web.actions.reports.report_sections import report_sections
from web.actions.rewrite import RewriteRequest, choose, rewrite, versions
from web.api.numbers import parse_number
from web.context import WebContext
from web.limits.words import sentence
from web.live.rendered_item import safe
from web.markdown.blocks import render_parts
from web.pages.i18n import _
from web.pages.reports.marked_differences import marked_differences
from web.pages.titles import title


class SectionPage:
    """The handlers of `/jobs/{id}/sections/{number}`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def show(self, job_id: str, section: str) -> Any:
        """The job's version beside that of the job `with`, by default of the one before it."""
        try:
            job = self._context.store.get(g.owner, job_id)
        except JobNotFound:
            return render_template("missing.html"), 404
        try:
            return self._page(job, parse_number(section, "section"))
        except InvalidRequest:  # it is no report that has ended, or has no such section
            return redirect(url_for("job.show", job_id=job_id), 303)

    def act(self, job_id: str, section: str) -> Any:
        """A button was pressed: to the job with the section written again, or with the version that was chosen."""
        job = self._context.store.get(g.owner, job_id)
        number = parse_number(section, "section")
        try:
            if version_id := request.form.get("version"):
                made = choose(self._context, g.owner, job_id, number, version_id)
            else:
                wish = validated(RewriteRequest, {"wish": request.form.get("wish")}).wish or ""
                made = rewrite(self._context, g.owner, job_id, number, wish)
        except LimitReached as error:
            return render_template("limited.html", problem=sentence(error, _)), 429
        except InvalidRequest as error:
            return self._page(job, number, error.sentence(_)), 400
        return redirect(url_for("job.show", job_id=made.id, _anchor=f"section-{number}"), 303)

    def _page(self, job: Job, section: int, problem: str = "") -> str:
        sections = report_sections(job, section)
        own = sections.finished.get(section)
        found = versions(self._context, job, section)
        others = [version for version in found if version.text != own]
        other = next((version for version in others if version.job_id == request.args.get("with")), None)
        other = other or (others[-1] if others else None)
        shown = own if own is not None else sections.unfinished[section]["text"]
        texts = self._context.rendering.run(lambda: _rendered(shown, other.text if other else None))
        return render_template(
            "section.html",
            job=job,
            title=title(job),
            section=section,
            own=own,
            texts=texts,
            shown=shown,
            fault=sections.unfinished[section]["fault"] if own is None else None,
            versions=found,
            other=other,
            problem=problem,
        )


def _rendered(shown: str, other: str | None) -> list[Markup]:
    """The section's text as HTML, and behind it the other version's if there is one: then with what differs marked."""
    if other is None:
        return [safe(html) for html in render_parts([(1, shown)])]
    old, new = marked_differences(*render_parts([(1, other), (2, shown)]))
    return [safe(new), safe(old)]

"""`/v1/responses/{id}/sections/{number}`: the versions of a report's section, a new one, and the choice of one."""

from __future__ import annotations

from typing import Any

from flask import Response, g, request

from jobs.requests.generation import validated
from web.actions.reports.report_sections import report_sections
from web.actions.rewrite import RewriteRequest, Version, VersionChoice, choose, rewrite, versions
from web.api import render
from web.api.creation import repetition
from web.api.numbers import parse_number
from web.context import WebContext


class SectionRoutes:
    """The handlers of a section."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def versions(self, job_id: str, section: str) -> Response:
        """All versions of it, with their texts."""
        job = self._context.store.get(g.owner, job_id)
        number = parse_number(section, "section")
        own = report_sections(job, number).finished.get(number)
        found = versions(self._context, job, number)
        data = [_wire(version, number, is_chosen=version.text == own) for version in found]
        return render.json({"object": "list", "data": data, "has_more": False})

    def rewrite(self, job_id: str, section: str) -> Response:
        """Have it written again: the new job."""
        self._context.store.get(g.owner, job_id)
        wish = validated(RewriteRequest, request.get_data()).wish or ""
        number = parse_number(section, "section")
        job = rewrite(self._context, g.owner, job_id, number, wish, **repetition())
        return render.response(self._context, job)

    def choose(self, job_id: str, section: str) -> Response:
        """Take the version that another job of the report has: the job with it."""
        self._context.store.get(g.owner, job_id)
        version_id = validated(VersionChoice, request.get_data()).response_id
        number = parse_number(section, "section")
        job = choose(self._context, g.owner, job_id, number, version_id, **repetition())
        return render.response(self._context, job)


def _wire(version: Version, section: int, *, is_chosen: bool) -> dict[str, Any]:
    return {
        "id": version.job_id,
        "object": "response.section_version",
        "section": section,
        "wish": version.wish,
        "chosen": is_chosen,
        "words": version.words,
        "created_at": round(version.created_at, 3),
        "text": version.text,
    }

"""The parts of a report's source text, and which sections are written from them."""

from __future__ import annotations

from typing import NamedTuple

from jobs.errors import InvalidRequest
from jobs.job import Job
from jobs.requests.sources.source_text import beginning, split
from web.actions.plan import plan_of
from web.context import WebContext


class SourcePart(NamedTuple):
    """A part: how it begins, how many characters it has, and the titles of the sections that are written from it."""

    beginning: str
    characters: int
    sections: list[str]


def source_parts(context: WebContext, job: Job) -> list[SourcePart]:
    """The parts, in order; none without a source, or before there is a plan."""
    parts = split(str(job.request.variables.get("source", ""))) if job.request.plan else []
    if not parts:
        return []
    try:
        sections = plan_of(context, job).outline["sections"]
    except InvalidRequest:
        return []
    return [
        SourcePart(beginning(part), len(part), [each["title"] for each in sections if number in each["sources"]])
        for number, part in enumerate(parts, 1)
    ]

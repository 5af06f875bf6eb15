"""A report's section written again: versions of it stand beside each other, each in a job that is a whole report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, Field, StringConstraints

from jobs.errors import InvalidRequest
from jobs.job import Job
from jobs.protocol.word_count import words_in
from jobs.storage.reports.report_jobs import ReportJobs
from web.actions.reports.report_sections import finished_sections, report_sections, sections_of
from web.actions.retry import accept_anew, checkpoints_of
from web.context import WebContext


class RewriteRequest(BaseModel):
    """The body that has a section written again: how it shall be, which may be left out where it was not finished."""

    wish: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000, pattern=r"^[^\x00]*$")] | None = None


class VersionChoice(BaseModel):
    """The body that takes another version of a section: the job that has it."""

    response_id: Annotated[str, Field(max_length=64)]


@dataclass(frozen=True, slots=True)
class Version:
    """One text of a section: the first job that has it, what was wished when it was written, and when (Unix s)."""

    job_id: str
    text: str
    wish: str
    created_at: float

    @property
    def words(self) -> int:
        """How many words it has."""
        return words_in(self.text)


def rewrite(context: WebContext, owner: str, job_id: str, section: int, wish: str, **sending: Any) -> Job:
    """A new job that is the report with one section written again; all else is carried over, and not paid for.

    Other sections that were not finished stay as they are. `sending` is how the client sends it. Raises InvalidRequest,
    JobNotFound, LimitReached.
    """
    job = context.store.get(owner, job_id)
    previous = report_sections(job, section).finished.get(section)
    if previous is not None and not wish:
        raise InvalidRequest("Say how the section shall be: it is finished as it is.", param="wish", values={})
    wanted = ({"wish": wish} if wish else {}) | ({} if previous is None else {"previous": previous})
    return _another(context, job, section, wanted, taken=[], **sending)


def choose(context: WebContext, owner: str, job_id: str, section: int, version_id: str, **sending: Any) -> Job:
    """The report with the version of a section that another of its jobs has; a new job, unless there is one like that.

    Nothing is asked of a model, but for a summary that had to wait for this section. Raises InvalidRequest,
    JobNotFound, LimitReached.
    """
    job = context.store.get(owner, job_id)
    sections = report_sections(job, section)
    report_jobs = ReportJobs(context.database).ended(owner, job.root_id)
    other = next((known for known in report_jobs if known.id == version_id), None)
    if other is None or (version := finished_sections(_response(other)).get(section)) is None:
        words = f"'{version_id}' has no version of section {section}: GET .../sections/{section}/versions lists them."
        raise InvalidRequest(words, param="response_id")
    for known in report_jobs:
        if (its_sections := sections_of(known)) and its_sections.is_with(sections, section, version):
            return known
    taken = [each for each in checkpoints_of(_response(other)) if each["section"] == section]
    return _another(context, job, section, {"taken_from": other.id}, taken=taken, **sending)


def _another(
    context: WebContext,
    job: Job,
    section: int,
    wanted: Mapping[str, str],
    *,
    taken: Sequence[Mapping[str, Any]],
    **sending: Any,
) -> Job:
    """A job with all of a report but one section, and in its place the checkpoints that are `taken`, if any."""
    kept = [each for each in checkpoints_of(_response(job)) if each["section"] != section]
    unfinished = report_sections(job, section).unfinished
    others = {str(number): other for number, other in unfinished.items() if number != section}
    changed = {"section": section, **wanted, **({"unfinished": others} if others else {})}
    request = replace(
        job.request, metadata=job.metadata, retry_of=job.id, review=False, root=job.root_id, rewrite=changed
    )
    return accept_anew(context, job.owner, request, [*kept, *taken], **sending)


def versions(context: WebContext, job: Job, section: int) -> list[Version]:
    """All texts that a report's section has had and that are still there, the oldest first. Raises InvalidRequest."""
    report_sections(job, section)
    found: dict[str, Version] = {}
    for known in ReportJobs(context.database).ended(job.owner, job.root_id):
        text = finished_sections(_response(known)).get(section)
        if text is not None and text not in found:
            changed = known.request.rewrite or {}
            wish = changed.get("wish", "") if changed.get("section") == section else ""
            found[text] = Version(known.id, text, wish, known.created_at)
    return list(found.values())


def _response(job: Job) -> dict[str, Any]:
    response: dict[str, Any] = orjson.loads(job.response or b'{"output": []}')
    return response

"""A report's section written again: versions of it stand beside each other, each in a job that is a whole report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, Field, StringConstraints

from jobs.errors import InvalidRequest
from jobs.job import Job, Status
from jobs.protocol.fold import words_of_part
from jobs.protocol.word_count import words_in
from jobs.storage.reports.report_jobs import ReportJobs
from web.actions.retry import accept_anew, checkpoints_of
from web.context import WebContext


class RewriteRequest(BaseModel):
    """The body that has a section written again: how it shall be."""

    wish: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000, pattern=r"^[^\x00]*$")]


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

    `sending` is how the client sends it. Raises InvalidRequest, JobNotFound, LimitReached.
    """
    job = context.store.get(owner, job_id)
    wanted = {"wish": wish, "previous": whole_sections(job, section)[section]}
    return _another(context, job, section, wanted, taken=[], **sending)


def choose(context: WebContext, owner: str, job_id: str, section: int, version_id: str, **sending: Any) -> Job:
    """The report with the version of a section that another of its jobs has; a new job, unless there is one like that.

    Nothing is asked of a model. Raises InvalidRequest, JobNotFound, LimitReached.
    """
    job = context.store.get(owner, job_id)
    sections = whole_sections(job, section)
    report_jobs = ReportJobs(context.database).ended(owner, job.root_id)
    other = next((known for known in report_jobs if known.id == version_id), None)
    if other is None or (version := _sections(other).get(section)) is None:
        words = f"'{version_id}' has no version of section {section}: GET .../sections/{section}/versions lists them."
        raise InvalidRequest(words, param="response_id")
    for known in report_jobs:
        if known.status is Status.COMPLETED and _sections(known) == sections | {section: version}:
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
    changed = {"section": section, **wanted}
    request = replace(
        job.request, metadata=job.metadata, retry_of=job.id, review=False, root=job.root_id, rewrite=changed
    )
    return accept_anew(context, job.owner, request, [*kept, *taken], **sending)


def versions(context: WebContext, job: Job, section: int) -> list[Version]:
    """All texts that a report's section has had and that are still there, the oldest first. Raises InvalidRequest."""
    whole_sections(job, section)
    found: dict[str, Version] = {}
    for known in ReportJobs(context.database).ended(job.owner, job.root_id):
        text = _sections(known).get(section)
        if text is not None and text not in found:
            changed = known.request.rewrite or {}
            wish = changed.get("wish", "") if changed.get("section") == section else ""
            found[text] = Version(known.id, text, wish, known.created_at)
    return list(found.values())


def whole_sections(job: Job, section: int) -> dict[int, str]:
    """The text of each section of a report, by its number; `section` is among them. Raises InvalidRequest."""
    if not job.request.plan:
        words = "This response has no sections: only a prompt that plans writes them, as 'report'."
        raise InvalidRequest(words, code="no_sections")
    if job.status is not Status.COMPLETED:
        words = "A section can be written again once its report is completed; a retry writes what one that ended lacks."
        raise InvalidRequest(words, code="not_completed")
    sections = _sections(job)
    if section not in sections:
        raise InvalidRequest(f"This report has no section {section}; it has 1 to {max(sections)}.", param="section")
    return sections


def _sections(job: Job) -> dict[int, str]:
    """The text of each section that a job has finished."""
    whole = [item for item in _response(job)["output"] if item["type"] == "message" and item["status"] == "completed"]
    return {item["penstock"]["section"]: "".join(map(words_of_part, item["content"])) for item in whole}


def _response(job: Job) -> dict[str, Any]:
    response: dict[str, Any] = orjson.loads(job.response or b'{"output": []}')
    return response

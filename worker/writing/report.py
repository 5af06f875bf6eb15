"""A report: an outline, its sections in parallel, a summary. Each is a checkpoint of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any

from jobs.job import Status
from jobs.protocol.fold import text_of
from jobs.requests.prompts import fill
from jobs.requests.sources import source_text
from worker.model.request import ModelRequest
from worker.publishing.event_writer import EventWriter
from worker.writing.attempt_context import AttemptContext
from worker.writing.outcome import STOPPED, Outcome, total_usage
from worker.writing.outline.outline import Outline
from worker.writing.planning.plan_report import PLAN, plan_report, summary_title
from worker.writing.planning.plan_review import PLAN_EXPIRED, is_agreed
from worker.writing.report_section import Heading
from worker.writing.rewriting import left_unfinished, with_wish
from worker.writing.section import Section
from worker.writing.write_section import write_section

_DEFAULT_WORDS = 1500
_SUMMARY_SHARE = 12
# What the writer of the summary is shown of the report, so that it fits into a model's context.
_SUMMARY_CHARACTERS = 60_000


def write_report(attempt: AttemptContext) -> Outcome:
    """Write what the job's prompt plans, but for what its checkpoints hold. Raises Stopped, Replaced."""
    outline, planned = _plan(attempt)
    if outline is None:
        return planned
    if not is_agreed(attempt, outline):
        return Outcome(Status.INCOMPLETE, reason=PLAN_EXPIRED, usage=planned.usage)
    sections = _sections(attempt, outline)
    summary = sections.pop() if len(sections) > len(outline.sections) else None
    with ThreadPoolExecutor(attempt.context.settings.section_concurrency) as threads:
        write = partial(_write_planned, attempt, outline)
        futures = [threads.submit(copy_context().run, write, section) for section in sections]
    outcomes = [planned, *(future.result() for future in futures)]
    if summary and all(outcome.status is Status.COMPLETED for outcome in outcomes):
        outcomes.append(_write_summary(attempt, outline, summary))
    return _together(attempt.writer, outcomes)


def _finished(attempt: AttemptContext, number: int) -> Outcome | None:
    """How a section has ended that is a checkpoint; None for one that is still to be written."""
    checkpoints = (checkpoint for checkpoint in attempt.claim.checkpoints if checkpoint.section == number)
    return next((Outcome(Status.COMPLETED, usage=checkpoint.usage) for checkpoint in checkpoints), None)


def _plan(attempt: AttemptContext) -> tuple[Outline | None, Outcome]:
    """The outline of an earlier attempt, or a new one."""
    if earlier := _finished(attempt, PLAN):
        return Outline.model_validate(attempt.claim.checkpoints[0].items[0]["outline"]), earlier
    return plan_report(attempt)


def _sections(attempt: AttemptContext, outline: Outline) -> list[Section]:
    """The sections of the outline, and a summary if there is to be one: everybody can see them from here on."""
    request = attempt.claim.job.request
    titles = [planned.title for planned in outline.sections]
    if title := summary_title(request):
        titles.append(title)
    sections = [Section(attempt.writer, number, title=title) for number, title in enumerate(titles, 1)]
    for section in sections:
        if not _finished(attempt, section.number):
            section.open()
    return sections


def _settled(attempt: AttemptContext, section: Section) -> Outcome | None:
    """How a section has ended that is not to be written; None for one that is."""
    return _finished(attempt, section.number) or left_unfinished(section, attempt.claim.job.request)


def _write_planned(attempt: AttemptContext, outline: Outline, section: Section) -> Outcome:
    if settled := _settled(attempt, section):
        return settled
    if attempt.cancellation.is_winding_down:
        return Outcome(Status.INCOMPLETE, reason=STOPPED)
    values = attempt.claim.job.request.variables
    number = section.number
    planned = outline.sections[number - 1]
    parts = source_text.split(str(values.get("source", "")))
    needed = parts if len(parts) == 1 else [parts[part - 1] for part in planned.sources if 0 < part <= len(parts)]
    step_values = {
        "number": number,
        "section": planned.title,
        "brief": planned.brief,
        "section_words": int(values.get("words") or _DEFAULT_WORDS) // len(outline.sections),
        "source": "\n\n".join(needed),
    }
    heading = Heading(planned.title, outline.title, is_first=number == 1)
    return _write(attempt, section, _step(attempt, "section", outline, step_values), heading)


def _write_summary(attempt: AttemptContext, outline: Outline, section: Section) -> Outcome:
    if settled := _settled(attempt, section):
        return settled
    words = attempt.claim.job.request.variables.get("words")
    # Without what an earlier try wrote of the summary itself: it is asked for in the same words each time.
    items = attempt.writer.buffer.snapshot()["output"]
    section_items = [item for item in items if item["penstock"]["section"] < section.number]
    step_values = {
        "report": text_of({"output": section_items})[:_SUMMARY_CHARACTERS],
        "summary_words": max(50, int(words or _DEFAULT_WORDS) // _SUMMARY_SHARE),
    }
    heading = Heading(section.title or "", outline.title)
    return _write(attempt, section, _step(attempt, "summary", outline, step_values), heading)


def _write(attempt: AttemptContext, section: Section, asked: ModelRequest, heading: Heading) -> Outcome:
    asked = with_wish(asked, attempt.claim.job.request, section.number)
    return write_section(attempt, section, asked, heading=heading)


def _step(attempt: AttemptContext, step: str, outline: Outline, step_values: Mapping[str, Any]) -> ModelRequest:
    """What the model is asked in one step of the plan."""
    request = attempt.claim.job.request
    values = {**request.variables, "title": outline.title, "outline": outline.lines(), **step_values}
    return attempt.model_request().with_messages(fill(request.plan[step], values))


def _together(writer: EventWriter, outcomes: Sequence[Outcome]) -> Outcome:
    """How a report has ended whose plan and sections ended so. One that has any section is worth keeping."""
    usage = total_usage([outcome.usage for outcome in outcomes])
    faults = {str(number): outcome.error["message"] for number, outcome in enumerate(outcomes) if outcome.error}
    if faults:
        writer.notes["faults"] = faults
    if len(faults) == len(outcomes) - 1:
        return replace(outcomes[1], usage=usage)
    reason = "section_failed" if faults else next((outcome.reason for outcome in outcomes if outcome.reason), None)
    return Outcome(Status.INCOMPLETE if reason else Status.COMPLETED, reason=reason, usage=usage)

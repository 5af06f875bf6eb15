"""A report: an outline, its sections in parallel, a summary. Each is a checkpoint of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jobs.job import Status
from jobs.protocol.fold import text_of
from jobs.requests import source_text
from jobs.requests.prompts import fill
from worker.model.cancellation import Reason
from worker.model.chunks import Kind
from worker.model.errors import ModelError
from worker.model.request import ModelRequest
from worker.publishing.event_writer import EventWriter
from worker.writing.answer_stream import stream_answer
from worker.writing.attempt_context import AttemptContext
from worker.writing.outcome import STOPPED, Outcome
from worker.writing.outline import Outline, schema_of, written_so_far
from worker.writing.retries import with_retries
from worker.writing.section import Section
from worker.writing.write_section import write_section

PLAN = 0
_WORDS = 1500
_SUMMARY_SHARE = 12
# What the writer of the summary is shown of the report, so that it fits into a model's context.
_SUMMARY_CHARACTERS = 60_000
_SUMMARY = {"en": "Summary", "zh": "总结"}
_REPAIR = "That is not what was asked for ({problem}). Answer with the corrected JSON object and nothing else."


def write_report(attempt: AttemptContext) -> Outcome:
    """Write what the job's prompt plans, but for what its checkpoints hold. Raises Stopped, Replaced."""
    try:
        outline, planned = _plan(attempt)
    except ModelError as fault:
        return Outcome.failed(fault.message, fault.code)
    attempt.writer.notes["outline"] = outline.model_dump(mode="json")
    chapters = _sections(attempt, outline)
    summary = chapters.pop() if len(chapters) > len(outline.sections) else None
    with ThreadPoolExecutor(attempt.context.settings.section_concurrency) as threads:
        writing = [threads.submit(_write_chapter, attempt, outline, section) for section in chapters]
    outcomes = [planned, *(one.result() for one in writing)]
    if summary and all(outcome.status is Status.COMPLETED for outcome in outcomes):
        outcomes.append(_write_summary(attempt, outline, summary))
    return _together(attempt.writer, outcomes)


def _finished(attempt: AttemptContext, number: int) -> Outcome | None:
    """How a section has ended that is a checkpoint; None for one that is still to be written."""
    kept = (finished for finished in attempt.claim.checkpoints if finished.section == number)
    return next((Outcome(Status.COMPLETED, usage=finished.usage) for finished in kept), None)


def _plan(attempt: AttemptContext) -> tuple[Outline, Outcome]:
    """The outline: that of an earlier attempt, or a new one. Raises Fault, Stopped, Replaced."""
    if before := _finished(attempt, PLAN):
        return Outline.model_validate(attempt.claim.checkpoints[0].items[0]["outline"]), before
    section = Section(attempt.writer, PLAN, answer=Kind.PLAN)
    section.open()
    outline, usage = with_retries(attempt, section, lambda: _ask_for_outline(attempt, section))

    def checkpoint(items: Sequence[Mapping[str, Any]]) -> None:
        attempt.checkpoint(PLAN, usage, [{**item, "outline": outline.model_dump(mode="json")} for item in items])

    section.finish(checkpoint)
    return outline, Outcome(Status.COMPLETED, usage=usage)


def _ask_for_outline(attempt: AttemptContext, section: Section) -> tuple[Outline, Mapping[str, int] | None]:
    """One try at an outline, with one repair of an answer that is none. Raises Fault, Stopped."""
    request = attempt.claim.job.request
    schema = schema_of(int(request.variables.get("sections") or 0))
    ask = ModelRequest.for_job(request).with_format({"type": "json_schema", "name": "outline", "schema": schema})
    said, usage = _hear_outline(attempt, section, ask)
    try:
        outline = Outline.read(said, schema)
    except ValueError as error:
        section.restart()
        problem = {"role": "user", "content": _REPAIR.format(problem=error)}
        ask = ask.with_messages([*ask.messages, {"role": "assistant", "content": said}, problem])
        said, more = _hear_outline(attempt, section, ask)
        try:
            outline, usage = Outline.read(said, schema), _sum([usage, more])
        except ValueError as error:
            raise ModelError(f"The model gave no outline that can be used: {error}", transient=False) from error
    section.restart()
    section.write(Kind.PLAN, outline.lines())
    return outline, usage


def _hear_outline(attempt: AttemptContext, section: Section, ask: ModelRequest) -> tuple[str, Mapping[str, int] | None]:
    """What the model answers; the lines of its outline appear as soon as they are certain."""
    said, shown = "", 0

    def write(kind: Kind, text: str) -> None:
        nonlocal said, shown
        if kind is Kind.TEXT:
            said += text
            if "}" in text:
                lines = written_so_far(said)
                section.write(Kind.PLAN, lines[shown:])
                shown = len(lines)

    answer = stream_answer(attempt, ask, write)
    if answer.finish_reason == STOPPED:  # there is nothing yet that would be worth keeping
        attempt.cancellation.request(Reason.WIND_DOWN)
        attempt.cancellation.check()
    return said, answer.usage


def _sections(attempt: AttemptContext, outline: Outline) -> list[Section]:
    """The sections of the outline, and a summary if there is to be one: everybody can see them from here on."""
    request = attempt.claim.job.request
    titles = [chapter.title for chapter in outline.sections]
    if request.plan["summary"]:
        titles.append(_SUMMARY[request.variables["language"]])
    sections = [Section(attempt.writer, number, title=title) for number, title in enumerate(titles, 1)]
    for section in sections:
        if not _finished(attempt, section.number):
            section.open()
    return sections


def _write_chapter(attempt: AttemptContext, outline: Outline, section: Section) -> Outcome:
    if before := _finished(attempt, section.number):
        return before
    if attempt.cancellation.is_winding_down:
        return Outcome(Status.INCOMPLETE, reason=STOPPED)
    values = attempt.claim.job.request.variables
    number, chapter = section.number, outline.sections[section.number - 1]
    parts = source_text.split(str(values.get("source", "")))
    needed = parts if len(parts) == 1 else [parts[part - 1] for part in chapter.sources if 0 < part <= len(parts)]
    told = {
        "number": number,
        "section": chapter.title,
        "brief": chapter.brief,
        "section_words": int(values.get("words") or _WORDS) // len(outline.sections),
        "source": "\n\n".join(needed),
    }
    heading = f"## {chapter.title}\n\n" if number > 1 else f"# {outline.title}\n\n## {chapter.title}\n\n"
    return write_section(attempt, section, _step(attempt, "section", outline, told), heading=heading, ending="\n\n")


def _write_summary(attempt: AttemptContext, outline: Outline, section: Section) -> Outcome:
    if before := _finished(attempt, section.number):
        return before
    words = attempt.claim.job.request.variables.get("words")
    # Without what an earlier try wrote of the summary itself: it is asked for in the same words each time.
    items = attempt.writer.buffer.snapshot()["output"]
    chapters = [item for item in items if item["penstock"]["section"] < section.number]
    told = {
        "report": text_of({"output": chapters})[:_SUMMARY_CHARACTERS],
        "summary_words": max(50, int(words or _WORDS) // _SUMMARY_SHARE),
    }
    return write_section(attempt, section, _step(attempt, "summary", outline, told), heading=f"## {section.title}\n\n")


def _step(attempt: AttemptContext, step: str, outline: Outline, told: Mapping[str, Any]) -> ModelRequest:
    """What the model is asked in one step of the plan."""
    request = attempt.claim.job.request
    values = {**request.variables, "title": outline.title, "outline": outline.lines(), **told}
    return ModelRequest.for_job(request).with_messages(fill(request.plan[step], values))


def _together(writer: EventWriter, outcomes: Sequence[Outcome]) -> Outcome:
    """How a report has ended whose plan and sections ended so. One that has any section is worth keeping."""
    usage = _sum([outcome.usage for outcome in outcomes])
    faults = {str(number): outcome.error["message"] for number, outcome in enumerate(outcomes) if outcome.error}
    if faults:
        writer.notes["faults"] = faults
    if len(faults) == len(outcomes) - 1:
        return Outcome(Status.FAILED, error=outcomes[1].error, usage=usage)
    reason = "section_failed" if faults else next((outcome.reason for outcome in outcomes if outcome.reason), None)
    return Outcome(Status.INCOMPLETE if reason else Status.COMPLETED, reason=reason, usage=usage)


def _sum(usages: Sequence[Mapping[str, int] | None]) -> Mapping[str, int] | None:
    known = [usage for usage in usages if usage]
    return {name: sum(usage[name] for usage in known) for name in known[0]} if known else None

"""The plan of a report: the model is asked for an outline, and once more when its answer holds none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.job import Status
from jobs.requests.job_request import JobRequest
from jobs.requests.sources import source_text
from worker.attempt_state import Reason
from worker.model.chunks import Kind, Slot
from worker.model.errors import ModelError
from worker.model.request import ModelRequest
from worker.writing.answer_stream import stream_answer
from worker.writing.attempt_context import AttemptContext
from worker.writing.outcome import STOPPED, Outcome, total_usage
from worker.writing.outline.outline import MAX_SECTIONS, Outline, schema_of, written_so_far
from worker.writing.outline.read_outline import read_outline
from worker.writing.retries import with_retries
from worker.writing.section import Section

PLAN = 0
_SUMMARY = {"en": "Summary", "zh": "总结"}
_REPAIR = "That is not what was asked for ({problem}). Answer with the corrected JSON object and nothing else."


def plan_report(attempt: AttemptContext) -> tuple[Outline | None, Outcome]:
    """The outline, committed as a checkpoint, and how planning ended; no outline if it failed.

    Raises Stopped, Replaced.
    """
    section = Section(attempt.writer, PLAN, answer=Kind.PLAN)
    section.open()
    usages: list[Mapping[str, int] | None] = []
    try:
        outline = with_retries(attempt, section, lambda: _ask_for_outline(attempt, section, usages))
    except ModelError as error:
        return None, Outcome.failed_model(error, attempt.cause_of(error), total_usage(usages))
    usage = total_usage(usages)
    keep_plan(attempt, section, outline, usage)
    return outline, Outcome(Status.COMPLETED, usage=usage)


def keep_plan(
    attempt: AttemptContext, section: Section, outline: Outline, usage: Mapping[str, int] | None, **review: str
) -> None:
    """End the section that holds the plan, with a checkpoint of the outline and of its `review`, if it had one.

    Raises Stopped, Replaced.
    """
    plan = {"outline": outline.model_dump(mode="json"), **review}
    attempt.writer.notes["outline"] = plan["outline"]

    def checkpoint(items: Sequence[Mapping[str, Any]]) -> None:
        attempt.checkpoint(PLAN, usage, [{**item, **plan} for item in items])

    section.finish(checkpoint)


def summary_title(request: JobRequest) -> str:
    """The title of the summary at the report's end; empty if the prompt has none."""
    return _SUMMARY.get(request.variables.get("language", ""), _SUMMARY["en"]) if request.plan["summary"] else ""


def _ask_for_outline(attempt: AttemptContext, section: Section, usages: list[Mapping[str, int] | None]) -> Outline:
    """One try at an outline, with one repair of an answer that is none; `usages` gets what each answer cost.

    Raises ModelError, Stopped.
    """
    request = attempt.claim.job.request
    limit = int(request.variables.get("sections") or 0)
    response_format = {"type": "json_schema", "name": "outline", "strict": True, "schema": schema_of(limit)}
    model_request = attempt.model_request().with_format(response_format)
    answer = _stream_outline(attempt, section, model_request, limit, usages)
    try:
        outline = _read(request, answer, limit)
    except ValueError as error:
        section.restart()
        problem = {"role": "user", "content": _REPAIR.format(problem=error)}
        previous = [{"role": "assistant", "content": answer}] if answer.strip() else []
        model_request = model_request.with_messages([*model_request.messages, *previous, problem])
        answer = _stream_outline(attempt, section, model_request, limit, usages)
        try:
            outline = _read(request, answer, limit)
        except ValueError as error:
            message = f"The model gave no outline that can be used: {error}"
            raise ModelError(message, transient=False, cause_code="no_outline") from error
    section.restart()
    section.write(Kind.PLAN, outline.lines())
    return outline


def _read(request: JobRequest, answer: str, limit: int) -> Outline:
    topic = request.variables.get("topic") or next(filter(None, request.variables.values()), "Report")
    outline = read_outline(answer, str(topic), limit, reserved=summary_title(request))
    return outline.with_sources(source_text.split(str(request.variables.get("source", ""))))


def _stream_outline(
    attempt: AttemptContext,
    section: Section,
    model_request: ModelRequest,
    limit: int,
    usages: list[Mapping[str, int] | None],
) -> str:
    """What the model answers; the lines of its outline appear as soon as they are certain."""
    answer = ""
    shown = 0

    def write(kind: Slot, text: str) -> None:
        nonlocal answer, shown
        if kind is Kind.RETRACTION:
            answer = ""
        elif kind is Kind.TEXT:
            answer += text
            if "}" in text:
                lines = written_so_far(answer, limit or MAX_SECTIONS)
                section.write(Kind.PLAN, lines[shown:])
                shown = len(lines)

    reader = stream_answer(attempt, model_request, write)
    usages.append(reader.usage)
    if reader.finish_reason == STOPPED:  # there is nothing yet that would be worth keeping
        attempt.cancellation.request(Reason.WIND_DOWN)
        attempt.cancellation.check()
    return answer

"""Writes one section: the model's answer, committed when it is whole; that of a report below its heading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from jobs.job import Status
from worker.model.answer.finish_reason import End
from worker.model.chunks import ChunkReader, Kind, Slot
from worker.model.errors import ModelError
from worker.model.request import ModelRequest
from worker.model.structured import FormatError
from worker.writing.answer_stream import stream_answer
from worker.writing.attempt_context import AttemptContext
from worker.writing.outcome import NO_ANSWER, ONLY_REASONING, STOPPED, Outcome, total_usage
from worker.writing.report_section import Heading, stream_section
from worker.writing.retries import with_retries
from worker.writing.section import Section


def write_section(
    attempt: AttemptContext, section: Section, model_request: ModelRequest, *, heading: Heading | None = None
) -> Outcome:
    """Write a section to its end and commit it; that of a report has a `heading`.

    A server that ignores the format which it was asked for is asked once more, in words. Raises Stopped, Replaced.
    """
    try:
        return _write_once(attempt, section, model_request, heading)
    except FormatError as error:
        if not (feature := _ignored_feature(attempt, model_request)):
            return Outcome.failed_model(error, attempt.cause_of(error), error.usage)
        first = error
    section.restart(first.message)
    try:
        outcome = _write_once(attempt, section, replace(model_request, schema_in_words=True), heading)
        if outcome.status is Status.COMPLETED:
            attempt.context.models.refuse(attempt.model, feature)
    except FormatError as error:
        outcome = Outcome.failed_model(error, attempt.cause_of(error), error.usage)
    return replace(outcome, usage=total_usage([first.usage, outcome.usage]))


def _ignored_feature(attempt: AttemptContext, model_request: ModelRequest) -> str | None:
    """The format that the model was asked for as a feature of its server, which may know nothing of it."""
    response_format = model_request.response_format
    prompt = attempt.claim.job.request.prompt
    if response_format is None or (prompt and prompt.runnable):
        return None
    feature: str = response_format["type"]
    return None if feature in attempt.context.models.refused(attempt.model) else feature


def _write_once(
    attempt: AttemptContext, section: Section, model_request: ModelRequest, heading: Heading | None
) -> Outcome:
    """Write a section. Raises FormatError, Stopped, Replaced."""
    try:
        answer = with_retries(attempt, section, _step(attempt, section, model_request, heading))
    except ModelError as error:
        return Outcome.failed_model(error, attempt.cause_of(error))
    if answer.finish_reason == STOPPED:
        return Outcome(Status.INCOMPLETE, reason=STOPPED, usage=answer.usage)
    if answer.end in (End.LENGTH, End.FILTER):
        return Outcome(Status.INCOMPLETE, reason=answer.end, usage=answer.usage)
    if answer.end is End.TOOL and not answer.has_calls:
        message = "The model asked for a tool that it was not offered, or named none."
        return Outcome.failed(message, "tool_wanted")
    try:
        section.finish(partial(attempt.checkpoint, section.number, answer.usage))
    except FormatError as error:
        error.usage = answer.usage
        raise
    if not answer.has_text and not answer.refusal and not answer.has_calls:
        attempt.writer.notes["notice"] = ONLY_REASONING if answer.has_reasoning else NO_ANSWER
    return Outcome(Status.COMPLETED, usage=answer.usage)


def _step(
    attempt: AttemptContext, section: Section, model_request: ModelRequest, heading: Heading | None
) -> Callable[[], ChunkReader]:
    """One try at a section: what the model says, as it says it."""
    if heading:
        return partial(stream_section, attempt, section, model_request, heading)
    return partial(stream_answer, attempt, model_request, partial(_write, section))


def _write(section: Section, kind: Slot, text: str) -> None:
    if kind is Kind.RETRACTION:
        section.retract()
    else:
        section.write(kind, text)

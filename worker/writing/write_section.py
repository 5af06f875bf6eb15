"""Writes one section: the model's answer between a heading and an ending, committed when it is whole."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from jobs.job import Status
from worker.model.answer.finish_reason import End
from worker.model.chunks import ChunkReader, Kind
from worker.model.errors import ModelError
from worker.model.request import ModelRequest
from worker.writing.answer_stream import stream_answer
from worker.writing.attempt_context import AttemptContext
from worker.writing.outcome import STOPPED, Outcome
from worker.writing.retries import with_retries
from worker.writing.section import Section


def write_section(
    attempt: AttemptContext, section: Section, model_request: ModelRequest, *, heading: str = "", ending: str = ""
) -> Outcome:
    """Write a section to its end and commit it; `heading` and `ending` stand around the model's words.

    Raises Stopped, Replaced.
    """
    try:
        answer = with_retries(attempt, section, partial(_write_stream, attempt, section, model_request, heading))
    except ModelError as error:
        return Outcome.failed(error.message, error.code)
    if answer.finish_reason == STOPPED:
        return Outcome(Status.INCOMPLETE, reason=STOPPED, usage=answer.usage)
    if answer.end in (End.LENGTH, End.FILTER):
        return Outcome(Status.INCOMPLETE, reason=answer.end, usage=answer.usage)
    if answer.end is End.TOOL:
        return Outcome.failed("The model asked for a tool instead of answering; Penstock offers it none.")
    section.write(Kind.TEXT, ending)
    try:
        section.finish(partial(attempt.checkpoint, section.number, answer.usage))
    except ModelError as error:
        return replace(Outcome.failed(error.message), usage=answer.usage)
    return Outcome(Status.COMPLETED, usage=answer.usage)


def _write_stream(attempt: AttemptContext, section: Section, model_request: ModelRequest, heading: str) -> ChunkReader:
    """One try at a section: what the model says, as it says it."""
    has_heading = False

    def write(kind: Kind, text: str) -> None:
        nonlocal has_heading
        if kind is Kind.TEXT and not has_heading:
            section.write(Kind.TEXT, heading)
            has_heading = True
        section.write(kind, text)

    return stream_answer(attempt, model_request, write)

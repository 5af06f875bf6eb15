"""Writes one section: the model's answer between a heading and an ending, committed when it is whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from jobs.job import Status
from worker.model.answer.finish_reason import End
from worker.model.chunks import ChunkReader
from worker.model.errors import ModelError
from worker.model.request import ModelRequest
from worker.writing.answer_stream import stream_answer
from worker.writing.attempt_context import AttemptContext
from worker.writing.outcome import STOPPED, Outcome
from worker.writing.report_section import stream_section
from worker.writing.retries import with_retries
from worker.writing.section import Section


def write_section(
    attempt: AttemptContext, section: Section, model_request: ModelRequest, *, heading: str = ""
) -> Outcome:
    """Write a section to its end and commit it; that of a report has a `heading`.

    Raises Stopped, Replaced.
    """
    try:
        answer = with_retries(attempt, section, _step(attempt, section, model_request, heading))
    except ModelError as error:
        return Outcome.failed(error.message, error.code)
    if answer.finish_reason == STOPPED:
        return Outcome(Status.INCOMPLETE, reason=STOPPED, usage=answer.usage)
    if answer.end in (End.LENGTH, End.FILTER):
        return Outcome(Status.INCOMPLETE, reason=answer.end, usage=answer.usage)
    if answer.end is End.TOOL:
        return Outcome.failed("The model asked for a tool instead of answering; Penstock offers it none.")
    try:
        section.finish(partial(attempt.checkpoint, section.number, answer.usage))
    except ModelError as error:
        return replace(Outcome.failed(error.message), usage=answer.usage)
    return Outcome(Status.COMPLETED, usage=answer.usage)


def _step(
    attempt: AttemptContext, section: Section, model_request: ModelRequest, heading: str
) -> Callable[[], ChunkReader]:
    """One try at a section: what the model says, as it says it."""
    if heading:
        return partial(stream_section, attempt, section, model_request, heading)
    return partial(stream_answer, attempt, model_request, section.write)

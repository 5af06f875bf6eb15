"""The end of a job: its terminal response is built, stored with the whole transcript, and only then said."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jobs.background import log_error
from jobs.job import Status
from jobs.protocol import headings, response
from jobs.protocol.fold import text_of
from jobs.protocol.progress import progress
from jobs.storage.attempts import Claim, Finish, Replaced
from worker.attempt_state import Phase
from worker.context import WorkerContext
from worker.model.cancellation import Stopped
from worker.publishing.event_writer import EventWriter
from worker.publishing.frame_buffer import FrameBuffer
from worker.writing.attempt_context import AttemptContext
from worker.writing.outcome import Outcome
from worker.writing.persist import persist
from worker.writing.report_section import end_open_sections

Details = Callable[[EventWriter, Outcome, str], Mapping[str, Any]]


def end(attempt: AttemptContext, outcome: Outcome) -> None:
    """Store the end, then say it. A cancel that came first wins. Raises Stopped, Replaced.

    An end that cannot be stored for what it tells is stored once more as a failure that tells only the text so far.
    """
    attempt.cancellation.check(Phase.ENDING)
    wished_at = attempt.cancellation.wished_at
    stopping = None if wished_at is None else max(0.0, time.time() - wished_at)  # all connections to models are closed
    end_open_sections(attempt.writer)
    attempt.writer.close_open_items()
    try:
        _store(attempt, outcome, partial(_details, stopping=stopping))
    except (Stopped, Replaced):
        raise
    except Exception as error:  # noqa: BLE001  (whatever it is, the job must not be run again for it)
        log_error(f"job {attempt.claim.job.id}: its end", error)
        message = f"The end of this job could not be stored ({type(error).__name__}); the worker's log says where."
        _store(attempt, Outcome.failed(message, "internal_error"), lambda *_: {"attempt": attempt.claim.attempt})


def end_without_text(claim: Claim, context: WorkerContext) -> None:
    """End a job as failed with nothing but what was accepted: for one whose text or log no attempt can handle."""
    buffer = FrameBuffer(claim, [], reserve=lambda *_, **__: True, wake=lambda _: None)
    writer = EventWriter(buffer)
    message = "Penstock could not run this job to its end; the workers' logs say why."
    outcome = Outcome.failed(message, "internal_error")
    for status in (Status.FAILED, Status.CANCELLED):  # cancelled when that was asked for
        final = _final(writer, replace(outcome, status=status), lambda *_: {"attempt": claim.attempt})
        _, transcript = buffer.closing(final)
        if context.attempts.finish(writer.note(), final, transcript) is not Finish.CANCEL_WON:
            context.telemetry.job_ended(final)
            return


def _store(attempt: AttemptContext, outcome: Outcome, details: Details) -> None:
    writer = attempt.writer
    while True:
        final = _final(writer, outcome, details)
        frame, transcript = writer.buffer.closing(final)
        finish = partial(attempt.context.attempts.finish, writer.note(), final, transcript)
        result = persist(finish, attempt.cancellation)
        if result is Finish.DONE:
            writer.buffer.end(frame)
            attempt.context.telemetry.job_ended(final)
            return
        if result is Finish.REPLACED:
            raise Replaced
        outcome = replace(outcome, status=Status.CANCELLED, reason=None, error=None)


def _final(writer: EventWriter, outcome: Outcome, details: Details) -> dict[str, Any]:
    """The terminal response."""
    base = writer.buffer.snapshot()
    text = text_of(base)
    return response.ended(
        base,
        outcome.status,
        now=time.time(),
        text=text,
        error=outcome.error,
        reason=outcome.reason,
        usage=outcome.usage and response.usage(outcome.usage),
        penstock=details(writer, outcome, text),
        cause=outcome.cause,
    )


def _details(writer: EventWriter, outcome: Outcome, text: str, *, stopping: float | None) -> dict[str, Any]:
    """All that is known about how a response came about; `stopping` took so many seconds."""
    job = writer.claim.job
    now = time.time()
    first = writer.first_text_at
    timing = {
        "queued": round((job.started_at or now) - job.created_at, 3),
        "first_token": round(first - job.created_at, 3) if first else None,
        "total": round(now - job.created_at, 3),
        **({"cancel": round(stopping, 3)} if stopping is not None else {}),
    }
    return {
        "attempt": job.attempt,
        "progress": progress(writer.buffer.fold.items.values()),
        "curve": writer.rate_histogram.to_wire(),
        "timing": timing,
        **headings.noted(job.request, text, whole=outcome.status is Status.COMPLETED),
        **writer.notes,
    }

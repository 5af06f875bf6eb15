"""The life of one generation: claim, write, end. Every way it can go is an outcome; an end is said once."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

from sqlalchemy.exc import InterfaceError, OperationalError

from jobs.background import log_error
from jobs.job import Status
from jobs.protocol import headings, response
from jobs.protocol.fold import text_of
from jobs.protocol.progress import progress
from jobs.storage.attempts import Claim, Finish, Replaced
from worker.context import WorkerContext
from worker.model import structured
from worker.model.cancellation import Cancellation, Reason, Stopped
from worker.model.request import ModelRequest
from worker.publishing.event_writer import EventWriter
from worker.publishing.frame_buffer import FrameBuffer
from worker.running_jobs import RunningJob
from worker.writing import resume
from worker.writing.attempt_context import AttemptContext
from worker.writing.outcome import STOPPED, Outcome
from worker.writing.persist import persist
from worker.writing.report import write_report
from worker.writing.report_section import end_open_sections
from worker.writing.section import Section
from worker.writing.write_section import write_section

_SETTLE_SECONDS = 2.0

_log = logging.getLogger(__name__)


def generate(context: WorkerContext) -> bool:
    """Run the queued job whose turn it is to its end, or until another attempt takes over; false if there is none."""
    claim = context.attempts.claim(context.worker, context.settings.limit_of)
    if claim is None:
        return False
    job_id = claim.job.id
    with context.running.job(claim) as running:
        try:
            _run(running, context)
        except Replaced:
            _log.info("job %s: attempt %d was replaced", job_id, claim.attempt)
        except Exception as error:  # noqa: BLE001  (a job must not hang on a worker that lives)
            log_error(f"job {job_id}", error)
            context.attempts.give_up(job_id, claim.attempt)
    return True


def _run(running: RunningJob, context: WorkerContext) -> None:
    claim = running.claim
    cancellation = running.cancellation
    try:
        writer = _writer(claim, cancellation, context)
    except Stopped:
        _give_back(claim, claim.first, context)
        return
    running.writer = writer
    ended = False
    try:
        attempt = AttemptContext(writer, cancellation, context)
        _end(attempt, _outcome(attempt))
        ended = True
    except Stopped:
        if cancellation.reason is Reason.REPLACED:
            raise Replaced from None
        context.publisher.wait_until_sent(writer.buffer, _SETTLE_SECONDS)
        _give_back(claim, writer.buffer.freeze(), context)
    finally:
        if not ended:
            context.publisher.remove(writer.buffer)


def _writer(claim: Claim, cancellation: Cancellation, context: WorkerContext) -> EventWriter:
    def reserve(seq_mark: int, index_mark: int, *, needed: bool) -> bool:
        raise_marks = partial(context.attempts.reserve, claim, seq_mark, index_mark)
        try:
            persist(raise_marks, cancellation) if needed else raise_marks()
        except (OperationalError, InterfaceError):
            return False
        return True

    history = resume.history(claim, context.log, cancellation)
    buffer = FrameBuffer(claim, history, reserve=reserve, wake=context.publisher.wake)
    context.publisher.add(
        buffer,
        on_replaced=partial(cancellation.request, Reason.REPLACED),
        is_current=partial(context.attempts.is_current, claim),
    )
    return EventWriter(buffer)


def _outcome(attempt: AttemptContext) -> Outcome:
    """Write the job. Raises Replaced, and Stopped when the job is to go on elsewhere."""
    try:
        outcome = _write(attempt)
        if outcome.status is Status.COMPLETED:
            writer = attempt.writer
            text = text_of(writer.buffer.snapshot())
            writer.notes |= structured.noted(attempt.claim.job.request, text)
        return outcome
    except Stopped:
        if attempt.cancellation.reason is Reason.WIND_DOWN:
            return Outcome(Status.INCOMPLETE, reason=STOPPED)
        if attempt.cancellation.reason is not Reason.CANCEL:
            raise
        return Outcome(Status.CANCELLED)
    except Replaced:
        raise
    except Exception as error:  # noqa: BLE001  (whatever else it is, the job has to end and say so)
        log_error(f"job {attempt.claim.job.id}", error)
        return Outcome.failed(f"Penstock itself failed ({type(error).__name__}); the worker's log says where.")


def _write(attempt: AttemptContext) -> Outcome:
    """Write what earlier attempts have not finished, unless nobody wants it any more."""
    writer = attempt.writer
    claim = attempt.claim
    job = claim.job
    writer.begin()
    for checkpoint in claim.checkpoints:
        resume.restore(writer, checkpoint)
    planned = job.request.plan
    if claim.checkpoints and not planned:
        return Outcome(Status.COMPLETED, usage=claim.checkpoints[0].usage)
    if job.cancel_requested_at is not None:
        return Outcome(Status.CANCELLED)
    if job.stop_requested_at is not None:
        return Outcome(Status.INCOMPLETE, reason=STOPPED)
    if job.rescues > attempt.context.settings.max_attempts:
        return Outcome.failed(f"{job.rescues} workers died while they wrote this; it is not tried again.")
    if planned:
        return write_report(attempt)
    return write_section(attempt, Section(writer, 0), ModelRequest.for_job(job.request))


def _end(attempt: AttemptContext, outcome: Outcome) -> None:
    """Store the end, then say it. A cancel that came first wins. Raises Replaced."""
    writer = attempt.writer
    buffer = writer.buffer
    wished_at = attempt.cancellation.wished_at
    stopping = None if wished_at is None else max(0.0, time.time() - wished_at)  # all connections to models are closed
    end_open_sections(writer)
    writer.close_open_items()
    while True:
        final = _final(writer, outcome, stopping)
        frame, transcript = buffer.closing(final)
        finish = persist(
            partial(attempt.context.attempts.finish, writer.note(), final, transcript), attempt.cancellation
        )
        if finish is Finish.DONE:
            buffer.end(frame)
            return
        if finish is Finish.REPLACED:
            raise Replaced
        outcome = Outcome(Status.CANCELLED, usage=outcome.usage)


def _final(writer: EventWriter, outcome: Outcome, stopping: float | None) -> dict[str, Any]:
    """The terminal response, with all that is known about how it came about; `stopping` took so many seconds."""
    job = writer.claim.job
    now = time.time()
    base = writer.buffer.snapshot()
    text = text_of(base)
    first = writer.first_text_at
    timing = {
        "queued": round((job.started_at or now) - job.created_at, 3),
        "first_token": round(first - job.created_at, 3) if first else None,
        "total": round(now - job.created_at, 3),
        **({"cancel": round(stopping, 3)} if stopping is not None else {}),
    }
    return response.ended(
        base,
        outcome.status,
        now=now,
        text=text,
        error=outcome.error,
        reason=outcome.reason,
        usage=outcome.usage and response.usage(outcome.usage),
        penstock={
            "attempt": job.attempt,
            "progress": progress(writer.buffer.fold.items.values()),
            "curve": writer.rate_histogram.to_wire(),
            "timing": timing,
            **headings.noted(job.request, text, whole=outcome.status is Status.COMPLETED),
            **writer.notes,
        },
    )


def _give_back(claim: Claim, next_number: int, context: WorkerContext) -> None:
    """Let another worker go on, from the number that this one would have used next."""
    if context.attempts.give_back(claim, next_number):
        context.queue.wake(claim.job.id)

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
from worker.publishing.recording import Recording
from worker.writing import resume
from worker.writing.report import write_report
from worker.writing.section import Section
from worker.writing.write_section import STOPPED, AttemptContext, Outcome, persist, write_section

_SETTLE_SECONDS = 2.0

_log = logging.getLogger(__name__)


def generate(context: WorkerContext) -> bool:
    """Run the queued job whose turn it is to its end, or until another attempt takes over; false if there is none."""
    claim = context.attempts.claim(context.worker, context.settings.limit_of)
    if claim is None:
        return False
    job_id = claim.job.id
    with context.running.job(claim) as stop:
        try:
            _run(claim, stop, context)
        except Replaced:
            _log.info("job %s: attempt %d was replaced", job_id, claim.attempt)
        except Exception as error:  # noqa: BLE001  (a job must not hang on a worker that lives)
            log_error(f"job {job_id}", error)
            context.attempts.give_up(job_id, claim.attempt)
    return True


def _run(claim: Claim, stop: Cancellation, context: WorkerContext) -> None:
    try:
        recording = _record(claim, stop, context)
    except Stopped:
        _give_back(claim, claim.first, context)
        return
    ended = False
    try:
        attempt = AttemptContext(recording, stop, context)
        _end(attempt, _outcome(attempt))
        ended = True
    except Stopped:
        if stop.reason is Reason.REPLACED:
            raise Replaced from None
        context.publisher.settle(recording, _SETTLE_SECONDS)
        _give_back(claim, recording.freeze(), context)
    finally:
        if not ended:
            context.publisher.remove(recording)


def _record(claim: Claim, stop: Cancellation, context: WorkerContext) -> Recording:
    def reserve(seq_mark: int, index_mark: int, needed: bool) -> bool:  # noqa: FBT001  (a callback)
        raise_marks = partial(context.attempts.reserve, claim, seq_mark, index_mark)
        try:
            persist(raise_marks, stop) if needed else raise_marks()
        except (OperationalError, InterfaceError):
            return False
        return True

    found = resume.history(claim, context.log, stop)
    recording = Recording(claim, found, reserve=reserve, wake=context.publisher.wake)
    context.publisher.add(
        recording,
        replaced=partial(stop.request, Reason.REPLACED),
        is_current=partial(context.attempts.is_current, claim),
    )
    return recording


def _outcome(attempt: AttemptContext) -> Outcome:
    """Write the job. Raises Replaced, and Stopped when the job is to go on elsewhere."""
    try:
        outcome = _write(attempt)
        if outcome.status is Status.COMPLETED:
            recording = attempt.recording
            recording.notes |= structured.noted(attempt.claim.job.request, text_of(recording.snapshot()))
        return outcome
    except Stopped:
        if attempt.stop.reason is Reason.WIND_DOWN:
            return Outcome(Status.INCOMPLETE, reason=STOPPED)
        if attempt.stop.reason is not Reason.CANCEL:
            raise
        return Outcome(Status.CANCELLED)
    except Replaced:
        raise
    except Exception as error:  # noqa: BLE001  (whatever else it is, the job has to end and say so)
        log_error(f"job {attempt.claim.job.id}", error)
        return Outcome.failed(f"Penstock itself failed ({type(error).__name__}); the worker's log says where.")


def _write(attempt: AttemptContext) -> Outcome:
    """Write what earlier attempts have not finished, unless nobody wants it any more."""
    recording, claim = attempt.recording, attempt.claim
    job = claim.job
    recording.begin()
    for finished in claim.checkpoints:
        resume.restore(recording, finished)
    planned = job.request["prompt"] and job.request["prompt"]["plan"]
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
    return write_section(attempt, Section(recording, 0), ModelRequest.for_job(job.request))


def _end(attempt: AttemptContext, outcome: Outcome) -> None:
    """Store the end, then say it. A cancel that came first wins. Raises Replaced."""
    recording, attempts, wished_at = attempt.recording, attempt.context.attempts, attempt.stop.wished_at
    stopping = None if wished_at is None else max(0.0, time.time() - wished_at)  # all connections to models are closed
    recording.abandon()
    while True:
        final = _final(recording, outcome, stopping)
        frame, transcript = recording.closing(final)
        finish = persist(partial(attempts.finish, recording.note(), final, transcript), attempt.stop)
        if finish is Finish.DONE:
            recording.end(frame)
            return
        if finish is Finish.REPLACED:
            raise Replaced
        outcome = Outcome(Status.CANCELLED, usage=outcome.usage)


def _final(recording: Recording, outcome: Outcome, stopping: float | None) -> dict[str, Any]:
    """The terminal response, with all that is known about how it came about; `stopping` took so many seconds."""
    job, now = recording.claim.job, time.time()
    base = recording.snapshot()
    text = text_of(base)
    first = recording.first_text_at
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
            "progress": progress(recording.fold.items.values()),
            "curve": recording.rate_histogram.to_wire(),
            "timing": timing,
            **headings.noted(job.request, text, whole=outcome.status is Status.COMPLETED),
            **recording.notes,
        },
    )


def _give_back(claim: Claim, next_number: int, context: WorkerContext) -> None:
    """Let another worker go on, from the number that this one would have used next."""
    if context.attempts.give_back(claim, next_number):
        context.queue.wake(claim.job.id)

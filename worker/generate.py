"""The life of one generation: claim, write, end. Every way it can go is an outcome; an end is said once."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

from sqlalchemy.exc import InterfaceError, OperationalError

from jobs.protocol import headings, response
from jobs.storage.attempts import Claim, Finish, Replaced
from jobs.protocol.fold import text_of
from jobs.background import log_error
from jobs.protocol.progress import progress
from jobs.job import Status
from worker.model.chat_model import structured
from worker.writing.write_section import resume
from worker.model.request import ask_of
from worker.publishing.recording import Recording
from worker.writing.report import write_report
from worker.writing.section import Section
from worker.model.cancellation import Reason, Stop, Stopped
from worker.context import Workshop
from worker.writing.write_section import STOPPED, Attempt, Outcome, persist, write_section

_SETTLE_SECONDS = 2.0

_log = logging.getLogger(__name__)


def generate(shop: Workshop) -> bool:
    """Run the queued job whose turn it is to its end, or until another attempt takes over; false if there is none."""
    claim = shop.attempts.claim(shop.worker, shop.settings.limit_of)
    if claim is None:
        return False
    job_id = claim.job.id
    with shop.running.job(claim) as stop:
        try:
            _run(claim, stop, shop)
        except Replaced:
            _log.info("job %s: attempt %d was replaced", job_id, claim.attempt)
        except Exception as error:  # noqa: BLE001  (a job must not hang on a worker that lives)
            log_error(f"job {job_id}", error)
            shop.attempts.give_up(job_id, claim.attempt)
    return True


def _run(claim: Claim, stop: Stop, shop: Workshop) -> None:
    try:
        recording = _record(claim, stop, shop)
    except Stopped:
        _give_back(claim, claim.first, shop)
        return
    ended = False
    try:
        attempt = Attempt(recording, stop, shop)
        _end(attempt, _outcome(attempt))
        ended = True
    except Stopped:
        if stop.reason is Reason.REPLACED:
            raise Replaced from None
        shop.publisher.settle(recording, _SETTLE_SECONDS)
        _give_back(claim, recording.freeze(), shop)
    finally:
        if not ended:
            shop.publisher.remove(recording)


def _record(claim: Claim, stop: Stop, shop: Workshop) -> Recording:
    def reserve(seq_mark: int, index_mark: int, needed: bool) -> bool:  # noqa: FBT001  (a callback)
        raise_marks = partial(shop.attempts.reserve, claim, seq_mark, index_mark)
        try:
            persist(raise_marks, stop) if needed else raise_marks()
        except (OperationalError, InterfaceError):
            return False
        return True

    found = resume.history(claim, shop.log, stop)
    recording = Recording(claim, found, reserve=reserve, wake=shop.publisher.wake)
    shop.publisher.add(
        recording, replaced=partial(stop.request, Reason.REPLACED), is_current=partial(shop.attempts.is_current, claim)
    )
    return recording


def _outcome(attempt: Attempt) -> Outcome:
    """Write the job. Raises Replaced, and Stopped when the job is to go on elsewhere."""
    try:
        outcome = _write(attempt)
        if outcome.status is Status.COMPLETED:
            recording = attempt.recording
            recording.notes |= structured.noted(attempt.claim.job.request, text_of(recording.snapshot()))
        return outcome
    except Stopped:
        if attempt.stop.reason is Reason.ENOUGH:
            return Outcome(Status.INCOMPLETE, reason=STOPPED)
        if attempt.stop.reason is not Reason.CANCEL:
            raise
        return Outcome(Status.CANCELLED)
    except Replaced:
        raise
    except Exception as error:  # noqa: BLE001  (whatever else it is, the job has to end and say so)
        log_error(f"job {attempt.claim.job.id}", error)
        return Outcome.failed(f"Penstock itself failed ({type(error).__name__}); the worker's log says where.")


def _write(attempt: Attempt) -> Outcome:
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
    if job.lost > attempt.shop.settings.max_attempts:
        return Outcome.failed(f"{job.lost} workers died while they wrote this; it is not tried again.")
    if planned:
        return write_report(attempt)
    return write_section(attempt, Section(recording, 0), ask_of(job.request))


def _end(attempt: Attempt, outcome: Outcome) -> None:
    """Store the end, then say it. A cancel that came first wins. Raises Replaced."""
    recording, attempts, wished_at = attempt.recording, attempt.shop.attempts, attempt.stop.wished_at
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
            "curve": recording.curve.to_wire(),
            "timing": timing,
            **headings.noted(job.request, text, whole=outcome.status is Status.COMPLETED),
            **recording.notes,
        },
    )


def _give_back(claim: Claim, next_number: int, shop: Workshop) -> None:
    """Let another worker go on, from the number that this one would have used next."""
    if shop.attempts.give_back(claim, next_number):
        shop.queue.wake(claim.job.id)

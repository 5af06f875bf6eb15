"""The life of one generation: claim, write, end. Every way it can go is an outcome; an end is said once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError

from jobs import response
from jobs.attempts import Checkpoint, Claim, Finish, Replaced
from jobs.database import reason
from jobs.fold import text_of
from jobs.loops import log_error
from jobs.record import Status
from worker import chains, takeover
from worker.answer import Answer
from worker.faults import Fault, fault_of
from worker.recording import Recording
from worker.section import Section
from worker.stop import Patience, Reason, Stop, Stopped
from worker.workshop import Workshop

_SETTLE_SECONDS = 2.0
_DATABASE_PAUSE_SECONDS = 1.0

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a generation ended. `reason` is why it is incomplete, `error` {code, message} why it failed."""

    status: Status
    reason: str | None = None
    error: Mapping[str, str] | None = None
    usage: Mapping[str, int] | None = None


def generate(job_id: str, shop: Workshop) -> None:
    """Run a queued job to its end, or until another attempt takes over; nothing if it is not queued."""
    claim = shop.attempts.claim(job_id, shop.worker)
    if claim is None:
        return
    with shop.running.job(claim) as stop:
        try:
            _run(claim, stop, shop)
        except Replaced:
            _log.info("job %s: attempt %d was replaced", job_id, claim.attempt)
        except Exception as error:  # noqa: BLE001  (a job must not hang on a worker that lives)
            log_error(f"job {job_id}", error)
            shop.attempts.give_up(job_id, claim.attempt)


def _run(claim: Claim, stop: Stop, shop: Workshop) -> None:
    try:
        recording = _record(claim, stop, shop)
    except Stopped:
        _give_back(claim, claim.first, shop)
        return
    ended = False
    try:
        _end(recording, _outcome(recording, stop, shop), stop, shop)
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
            _persist(raise_marks, stop) if needed else raise_marks()
        except (OperationalError, InterfaceError):
            return False
        return True

    found = takeover.history(claim, shop.log, stop)
    recording = Recording(claim, found, reserve=reserve, wake=shop.publisher.wake)
    shop.publisher.add(
        recording, replaced=partial(stop.request, Reason.REPLACED), is_current=partial(shop.attempts.is_current, claim)
    )
    return recording


def _outcome(recording: Recording, stop: Stop, shop: Workshop) -> Outcome:
    """Write the job. Raises Replaced, and Stopped when the job is to go on elsewhere."""
    job = recording.claim.job
    try:
        return _write(recording, stop, shop)
    except Stopped:
        if stop.reason is not Reason.CANCEL:
            raise
        return Outcome(Status.CANCELLED)
    except Fault as fault:
        return _failed(fault.message, fault.code)
    except Replaced:
        raise
    except Exception as error:  # noqa: BLE001  (whatever else it is, the job has to end and say so)
        log_error(f"job {job.id}", error)
        return _failed(f"Penstock itself failed ({type(error).__name__}); the worker's log says where.")


def _write(recording: Recording, stop: Stop, shop: Workshop) -> Outcome:
    """Write the job's one section, unless an earlier attempt has finished it, or nobody wants it any more."""
    claim = recording.claim
    recording.begin()
    for finished in claim.checkpoints:
        takeover.restore(recording, finished)
        return Outcome(Status.COMPLETED, usage=finished.usage)
    if claim.job.cancel_requested_at is not None:
        return Outcome(Status.CANCELLED)
    if claim.job.lost > shop.settings.max_attempts:
        return _failed(f"{claim.job.lost} workers died while they wrote this; it is not tried again.")
    section = Section(recording, 0)
    answer = _write_section(section, claim, stop, shop)
    if answer.finish_reason in ("length", "max_tokens"):
        return Outcome(Status.INCOMPLETE, reason="max_output_tokens", usage=answer.usage)
    if answer.finish_reason == "content_filter":
        return Outcome(Status.INCOMPLETE, reason="content_filter", usage=answer.usage)
    if answer.finish_reason in ("tool_calls", "function_call"):
        return _failed("The model asked for a tool instead of answering; Penstock offers it none.")

    def checkpoint(items: Any) -> None:
        finished = Checkpoint(0, items, answer.usage)
        _persist(partial(shop.attempts.checkpoint, claim, finished), stop)

    section.finish(checkpoint)
    return Outcome(Status.COMPLETED, usage=answer.usage)


def _write_section(section: Section, claim: Claim, stop: Stop, shop: Workshop) -> Answer:
    """One section's answer; transient faults begin it again. Raises Fault, Stopped, Replaced."""
    for tries in count():
        try:
            return _ask(section, claim, stop, shop)
        except Fault as fault:
            if not fault.transient or tries >= shop.settings.model_retries:
                raise
            stop.wait(fault.pause(tries))
            section.restart()
    raise AssertionError


def _ask(section: Section, claim: Claim, stop: Stop, shop: Workshop) -> Answer:
    """Ask the model once, and write what it says as it says it."""
    settings, answer = shop.settings, Answer()
    patience = Patience(settings.first_token_seconds, settings.gap_seconds, settings.total_seconds)
    with stop.call(patience) as call:
        chunks = chains.stream(shop.models, claim.job.request)
        try:
            for piece in answer.pieces(chunks):
                call.progress(text=piece is not None)
                if piece is not None:
                    section.write(*piece)
                call.check()
        except (Stopped, Replaced, Fault):
            raise
        except Exception as error:
            call.check()  # a socket that we shut fails like any other
            if fault := fault_of(error, settings.openai_base_url):
                raise fault from error
            raise
        finally:
            chunks.close()
        call.check()
    if answer.finish_reason is None:  # invariant 6
        raise Fault("The model's stream ended before its answer did.")
    return answer


def _end(recording: Recording, outcome: Outcome, stop: Stop, shop: Workshop) -> None:
    """Store the end, then say it. A cancel that came first wins. Raises Replaced."""
    recording.abandon()
    while True:
        final = _final(recording, outcome)
        frame, transcript = recording.closing(final)
        finish = _persist(
            partial(shop.attempts.finish, recording.claim, final, transcript, recording.first_text_at), stop
        )
        if finish is Finish.DONE:
            recording.end(frame)
            return
        if finish is Finish.REPLACED:
            raise Replaced
        outcome = Outcome(Status.CANCELLED, usage=outcome.usage)


def _final(recording: Recording, outcome: Outcome) -> dict[str, Any]:
    """The terminal response, with all that is known about how it came about."""
    job, now = recording.claim.job, time.time()
    base = recording.snapshot()
    first = recording.first_text_at
    timing = {
        "queued": round((job.started_at or now) - job.created_at, 3),
        "first_token": round(first - job.created_at, 3) if first else None,
        "total": round(now - job.created_at, 3),
    }
    done = sum(item["type"] == "message" and item["status"] == "completed" for item in base["output"])
    return response.ended(
        base,
        outcome.status,
        now=now,
        text=text_of(base),
        error=outcome.error,
        reason=outcome.reason,
        usage=outcome.usage and response.usage(outcome.usage),
        penstock={"attempt": job.attempt, "progress": {"done": done, "total": 1}, "timing": timing},
    )


def _give_back(claim: Claim, next_number: int, shop: Workshop) -> None:
    """Let another worker go on, from the number that this one would have used next."""
    if shop.attempts.give_back(claim, next_number):
        shop.queue.wake(claim.job.id)


def _persist(write: Callable[[], T], stop: Stop) -> T:
    """A write that the job depends on: while the database is away, again, until the worker has to go.

    Raises Stopped on drain; then another attempt has to do it.
    """
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            _log.warning("the database refuses a write: %s", reason(error))
            if stop.reason is Reason.DRAIN:
                raise Stopped from error
            time.sleep(_DATABASE_PAUSE_SECONDS)


def _failed(message: str, code: str = response.SERVER_ERROR) -> Outcome:
    return Outcome(Status.FAILED, error={"code": code, "message": message})

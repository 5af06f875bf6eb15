"""The life of one generation: begin, write, end. worker/attempt_state.py decides, this does."""

from __future__ import annotations

import logging
import random
import time
from contextlib import suppress
from functools import partial

import redis
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from jobs.background import log_error
from jobs.job import Status
from jobs.storage.attempts import Claim, Replaced
from jobs.transport.queue import QueueAway
from worker.attempt_state import Action, Phase, Reason, Row, Start, Step, action, first_step, start
from worker.context import WorkerContext
from worker.model import structured
from worker.model.cancellation import Cancellation, Stopped
from worker.model.request import ModelRequest
from worker.publishing.event_writer import EventWriter
from worker.publishing.frame_buffer import FrameBuffer
from worker.running_jobs import RunningJob
from worker.writing import resume
from worker.writing.attempt_context import AttemptContext
from worker.writing.ending import end, end_without_text
from worker.writing.outcome import STOPPED, Outcome
from worker.writing.persist import persist
from worker.writing.report import write_report
from worker.writing.section import Section
from worker.writing.write_section import write_section

# How long a job that is given back waits for the log to take the rest of its text.
_FLUSH_SECONDS = 2.0
# Before a job is given up, so that one which no worker can run keeps none of them busy.
_GIVE_UP_PAUSE_SECONDS = 2.0

_log = logging.getLogger(__name__)


def generate(claim: Claim, context: WorkerContext) -> None:
    """Run one attempt at a job until it is over: the job has ended, is given back, or is another attempt's."""
    with context.running.job(claim) as running:
        try:
            attempt = _begin(running, context)
            outcome = _outcome(attempt)
            end(attempt, outcome)
            return
        except Exception as error:  # noqa: BLE001  (a job must not hang on a worker that lives)
            if _action(error, Phase.ENDING, running.cancellation) is Action.LET_GO:
                _let_go(claim, context)
            elif isinstance(error, Stopped):
                _give_back(running, context)
            else:
                log_error(f"job {claim.job.id}", error)
                _give_up(claim, context)
        if running.writer is not None:
            context.publisher.remove(running.writer.buffer)


def _action(error: Exception, phase: Phase, cancellation: Cancellation) -> Action:
    """What to do about an error that left a phase."""
    if isinstance(error, Stopped):
        return action(error.phase, cancellation.reasons)
    return action(phase, {Reason.REPLACED if isinstance(error, Replaced) else Reason.FAILURE})


def _begin(running: RunningJob, context: WorkerContext) -> AttemptContext:
    """Take the log over, and say in it that an attempt works on the job. Raises Stopped, Replaced."""
    claim = running.claim
    cancellation = running.cancellation
    is_current = partial(context.attempts.is_current, claim)
    log = resume.read_log(claim, context.log, cancellation)
    if not persist(is_current, cancellation):  # invariant 4: the row is asked once the fence is ours
        raise Replaced
    how = start(claim.attempt, log.state)
    reserve = partial(_reserve, claim, cancellation, context)
    history = None if how is Start.REBUILD else log.frames
    buffer = FrameBuffer(claim, history, reserve=reserve, wake=context.publisher.wake)
    running.writer = EventWriter(buffer, log_is_short=how is Start.RESTART)
    on_replaced = partial(cancellation.request, Reason.REPLACED)
    context.publisher.add(buffer, on_replaced=on_replaced, is_current=is_current)
    running.writer.begin()
    for checkpoint in claim.checkpoints:
        resume.restore(running.writer, checkpoint)
    return AttemptContext(running.writer, cancellation, context)


def _reserve(
    claim: Claim, cancellation: Cancellation, context: WorkerContext, seq_mark: int, index_mark: int, *, needed: bool
) -> bool:
    raise_marks = partial(context.attempts.reserve, claim, seq_mark, index_mark)
    try:
        persist(raise_marks, cancellation) if needed else raise_marks()
    except (OperationalError, InterfaceError):
        return False
    return True


def _outcome(attempt: AttemptContext) -> Outcome:
    """How the job ends. Raises Replaced, and Stopped when the job is to go on elsewhere."""
    try:
        outcome = _write(attempt)
        if outcome.status is Status.COMPLETED:
            writer = attempt.writer
            writer.notes |= structured.noted_of(attempt.claim.job.request, writer.buffer.snapshot())
        return outcome
    except Exception as error:
        if _action(error, Phase.WRITING, attempt.cancellation) is not Action.END:
            raise
        if isinstance(error, Stopped):
            return _CANCELLED if Reason.CANCEL in attempt.cancellation.reasons else _STOPPED
        log_error(f"job {attempt.claim.job.id}", error)
        return Outcome.failed(f"Penstock itself failed ({type(error).__name__}); the worker's log says where.")


_CANCELLED = Outcome(Status.CANCELLED)
_STOPPED = Outcome(Status.INCOMPLETE, reason=STOPPED)


def _write(attempt: AttemptContext) -> Outcome:
    """Write what earlier attempts have not finished, unless nobody wants it any more."""
    claim = attempt.claim
    job = claim.job
    planned = job.request.plan
    row = Row(
        cancel_requested=job.cancel_requested_at is not None,
        stop_requested=job.stop_requested_at is not None,
        rescues=job.rescues,
        is_answered=bool(claim.checkpoints) and not planned,
    )
    match first_step(row, attempt.context.settings.max_attempts):
        case Step.END_CANCELLED:
            return _CANCELLED
        case Step.END_STOPPED:
            return _STOPPED
        case Step.END_OVER_BUDGET:
            return Outcome.failed(f"{job.rescues} workers died while they wrote this; it is not tried again.")
        case Step.END_COMPLETED:
            return Outcome(Status.COMPLETED, usage=claim.checkpoints[0].usage)
        case Step.WRITE:
            if planned:
                return write_report(attempt)
            return write_section(attempt, Section(attempt.writer, 0), ModelRequest.for_job(job.request))


def _give_back(running: RunningJob, context: WorkerContext) -> None:
    """Let another worker go on, from the number that this one would have used next."""
    claim = running.claim
    next_number = claim.first
    if running.writer is not None:
        context.publisher.wait_until_sent(running.writer.buffer, _FLUSH_SECONDS)
        next_number = running.writer.buffer.freeze()
    try:
        if context.attempts.give_back(claim, next_number):
            context.queue.wake(claim.job.id)
    except QueueAway:
        pass  # idle workers look for it themselves
    except SQLAlchemyError as error:
        log_error(f"job {claim.job.id}: rescue has to give it back", error)


def _let_go(claim: Claim, context: WorkerContext) -> None:
    """Write nothing more; of a job that was deleted meanwhile, leave nothing in Redis."""
    _log.info("job %s: attempt %d was replaced", claim.job.id, claim.attempt)
    with suppress(SQLAlchemyError, redis.RedisError):
        if not context.store.statuses([claim.job.id]):
            context.log.delete(claim.job.id)


def _give_up(claim: Claim, context: WorkerContext) -> None:
    """Another attempt may do better; it costs the job a rescue. When it has none left it ends, without its text."""
    time.sleep(_GIVE_UP_PAUSE_SECONDS * random.uniform(1.0, 1.5))  # noqa: S311  (no secret)
    try:
        if claim.job.rescues > context.settings.max_attempts:
            end_without_text(claim, context)
        else:
            context.attempts.give_up(claim.job.id, claim.attempt)
    except SQLAlchemyError as error:
        log_error(f"job {claim.job.id}: it is given up later", error)

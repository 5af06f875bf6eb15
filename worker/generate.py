"""The life of one generation: begin, write, end. worker/attempt_state.py decides, this does."""

from __future__ import annotations

from jobs.background import log_error
from jobs.job import Status
from jobs.storage.attempts import Claim, Replaced
from worker.attempt_state import Action, Phase, Reason, Row, Step, action, first_step
from worker.context import WorkerContext
from worker.model import structured
from worker.model.cancellation import Cancellation, Stopped
from worker.writing.attempt_context import AttemptContext
from worker.writing.ending import end
from worker.writing.leaving import give_back, give_up, let_go
from worker.writing.outcome import STOPPED, Outcome
from worker.writing.report import write_report
from worker.writing.resume import begin
from worker.writing.section import Section
from worker.writing.write_section import write_section


def generate(claim: Claim, context: WorkerContext) -> None:
    """Run one attempt at a job until it is over: the job has ended, is given back, or is another attempt's."""
    with context.running.job(claim) as running:
        try:
            attempt = begin(running, context)
            outcome = _outcome(attempt)
            end(attempt, outcome)
        except Exception as error:  # noqa: BLE001  (a job must not hang on a worker that lives)
            if _action(error, Phase.ENDING, running.cancellation) is Action.LET_GO:
                let_go(running, context)
            elif isinstance(error, Stopped):
                give_back(running, context)
            else:
                log_error(f"job {claim.job.id}", error)
                give_up(running, context)


def _action(error: Exception, phase: Phase, cancellation: Cancellation) -> Action:
    """What to do about an error that left a phase."""
    if isinstance(error, Stopped):
        return action(error.phase, cancellation.reasons)
    return action(phase, {Reason.REPLACED if isinstance(error, Replaced) else Reason.FAILURE})


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
        message = f"Penstock itself failed ({type(error).__name__}); the worker's log says where."
        return Outcome.failed(message, "internal_error")


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
            message = f"{job.rescues} workers died while they wrote this; it is not tried again."
            return Outcome.failed(message, "workers_lost")
        case Step.END_COMPLETED:
            return Outcome(Status.COMPLETED, usage=claim.checkpoints[0].usage)
        case Step.WRITE:
            if planned:
                return write_report(attempt)
            return write_section(attempt, Section(attempt.writer, 0), attempt.model_request())

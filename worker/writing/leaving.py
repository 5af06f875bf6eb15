"""An attempt is over and its job has not ended: it is given back, let go, or given up."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from functools import partial

import redis
from sqlalchemy.exc import SQLAlchemyError

from jobs.background import jittered, log_error
from jobs.storage.database import until_written
from jobs.transport.queue import QueueAway
from worker.attempt_state import Reason
from worker.context import WorkerContext
from worker.running_jobs import RunningJob
from worker.writing.ending import end_without_text

# How long a job that is given back waits for the log to take the rest of its text.
_FLUSH_SECONDS = 2.0
# Before a job is given up, so that one which no worker can run keeps none of them busy.
_GIVE_UP_PAUSE_SECONDS = 2.0
# How long a job that is given back waits for the database; after that its worker counts as dead to it.
_DATABASE_SECONDS = 10.0

_log = logging.getLogger(__name__)


def give_back(running: RunningJob, context: WorkerContext) -> None:
    """Let another worker go on, from the number that this one would have used next: at once, or after a review."""
    claim = running.claim
    next_number = claim.first
    if running.writer is not None:
        context.publisher.wait_until_sent(running.writer.buffer, _FLUSH_SECONDS)
        next_number = running.writer.buffer.freeze()
    _stop_publishing(running, context)
    try:
        is_reviewed = Reason.REVIEW in running.cancellation.reasons
        release = context.attempts.hold if is_reviewed else context.attempts.give_back
        if until_written(partial(release, claim, next_number), seconds=_DATABASE_SECONDS):
            with suppress(QueueAway):  # others look for it themselves
                context.queue.wake(claim.job.id)
    except SQLAlchemyError as error:
        log_error(f"job {claim.job.id}: rescue has to give it back", error)


def let_go(running: RunningJob, context: WorkerContext) -> None:
    """Write nothing more; of a job that was deleted meanwhile, leave nothing in Redis."""
    claim = running.claim
    _stop_publishing(running, context)
    _log.info("job %s: attempt %d was replaced", claim.job.id, claim.attempt)
    with suppress(SQLAlchemyError, redis.RedisError):
        if not context.store.statuses([claim.job.id]):
            context.log.delete(claim.job.id)


def give_up(running: RunningJob, context: WorkerContext) -> None:
    """Another attempt may do better; it costs the job a rescue. When it has none left it ends, without its text."""
    claim = running.claim
    _stop_publishing(running, context)
    time.sleep(jittered(_GIVE_UP_PAUSE_SECONDS, 1.0, 1.5))
    try:
        if claim.job.rescues > context.settings.max_attempts:
            end_without_text(claim, context)
        else:
            requeue = partial(context.attempts.give_up, claim.job.id, claim.attempt)
            until_written(requeue, seconds=_DATABASE_SECONDS)
            context.telemetry.metrics.rescues.inc()
    except SQLAlchemyError as error:
        log_error(f"job {claim.job.id}: it is given up later", error)


def _stop_publishing(running: RunningJob, context: WorkerContext) -> None:
    if running.writer is not None:
        context.publisher.remove(running.writer.buffer)

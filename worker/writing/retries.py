"""Asking again: after a passing error the same model, after one for good the next of its fallbacks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from jobs.protocol.fold import CALL
from worker.model.errors import ModelError
from worker.model.retry_policy import RetryPolicy
from worker.publishing.event_writer import Waiting
from worker.writing.attempt_context import AttemptContext
from worker.writing.section import Section

T = TypeVar("T")


def with_retries(attempt: AttemptContext, section: Section, step: Callable[[], T]) -> T:
    """Take a step that asks the model; a passing error begins it, and the section, again.

    A model that fails for good before the section has a word is given up for the next one. Raises ModelError, Stopped.
    """
    policy: RetryPolicy | None = None
    while True:
        model = attempt.model
        try:
            return step()
        except ModelError as error:
            attempt.context.telemetry.model_failed(model, error)
            policy = policy or RetryPolicy(attempt.context.settings, has_fallback=attempt.has_fallback)
            if (pause := policy.pause(error)) is not None:
                until = time.time() + pause
                waiting = Waiting(error.message, policy.tries + 1, until, error.waiting_code, policy.most_tries)
                _wait(attempt, section, waiting)
                section.restart(error.message)
                attempt.context.telemetry.metrics.restarts.labels("model").inc()
                continue
            if any(item.type == CALL or attempt.writer.text_of(item) for item in attempt.writer.items(section.number)):
                raise
            attempt.models[model] = error.message
            if attempt.models.get(attempt.model) is not None:  # there is no other
                raise
            policy = None


def _wait(attempt: AttemptContext, section: Section, waiting: Waiting) -> None:
    """Wait before the next try; the job's row tells of it meanwhile. Raises Stopped."""
    attempt.writer.waiting[section.number] = waiting
    try:
        attempt.cancellation.wait(waiting.until - time.time())
    finally:
        del attempt.writer.waiting[section.number]

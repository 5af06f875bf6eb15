"""Asking again: after a passing error the same model, after one for good the next of its fallbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from worker.model.errors import ModelError
from worker.writing.attempt_context import AttemptContext
from worker.writing.section import Section

T = TypeVar("T")


def with_retries(attempt: AttemptContext, section: Section, step: Callable[[], T]) -> T:
    """Take a step that asks the model; a passing error begins it, and the section, again.

    A model that fails for good before the section has a word is given up for the next one. Raises ModelError, Stopped.
    """
    tries = 0
    while True:
        model = attempt.model
        try:
            return step()
        except ModelError as error:
            if error.transient and tries < attempt.context.settings.model_retries:
                attempt.cancellation.wait(error.pause(tries))
                section.restart(error.message)
                tries += 1
                continue
            if any(attempt.writer.text_of(item) for item in attempt.writer.items(section.number)):
                raise
            attempt.models[model] = error.message
            if attempt.models.get(attempt.model) is not None:  # there is no other
                raise
            tries = 0

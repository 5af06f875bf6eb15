"""Writes one section: asks the model, takes down what it says, begins again after a passing fault."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError

from jobs import response
from jobs.attempts import Checkpoint, Claim, Replaced
from jobs.record import Status
from worker import chains
from worker.answer import Answer, Kind
from worker.ask import Ask
from worker.faults import Fault, fault_of
from worker.recording import Recording
from worker.section import Section
from worker.stop import Patience, Reason, Stop, Stopped
from worker.workshop import Workshop

_DATABASE_PAUSE_SECONDS = 1.0
STOPPED = "stopped"
# Why an answer is not whole: the model's finish_reason, and what the response says.
_REASONS = {"length": "max_output_tokens", "max_tokens": "max_output_tokens"} | {
    reason: reason for reason in ("content_filter", STOPPED)
}
_SENTENCE_END = re.compile(r"[.!?。！？…\n]\s*$")

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job, or a section of it, ended. `reason` is why it is incomplete, `error` {code, message} why it failed."""

    status: Status
    reason: str | None = None
    error: Mapping[str, str] | None = None
    usage: Mapping[str, int] | None = None

    @classmethod
    def failed(cls, message: str, code: str = response.SERVER_ERROR) -> Outcome:
        """The end of what cannot go on, in the words of whoever was at fault."""
        return cls(Status.FAILED, error={"code": code, "message": message})


@dataclass(frozen=True, slots=True)
class Attempt:
    """What everything that an attempt does needs: its events, its stop, and the worker's parts."""

    recording: Recording
    stop: Stop
    shop: Workshop

    @property
    def claim(self) -> Claim:
        """The attempt's right to its job."""
        return self.recording.claim

    def checkpoint(self, section: int, usage: Mapping[str, int] | None, items: Any) -> None:
        """Commit a finished section. Raises Replaced, Stopped."""
        persist(partial(self.shop.attempts.checkpoint, self.claim, Checkpoint(section, items, usage)), self.stop)


def write_section(attempt: Attempt, section: Section, ask: Ask, *, heading: str = "", ending: str = "") -> Outcome:
    """Write a section to its end and commit it; `heading` and `ending` stand around the model's words.

    Raises Stopped, Replaced.
    """
    try:
        answer = insist(attempt, section, partial(_take_down, attempt, section, ask, heading))
    except Fault as fault:
        return Outcome.failed(fault.message, fault.code)
    if reason := _REASONS.get(str(answer.finish_reason)):
        return Outcome(Status.INCOMPLETE, reason=reason, usage=answer.usage)
    if answer.finish_reason in ("tool_calls", "function_call"):
        return Outcome.failed("The model asked for a tool instead of answering; Penstock offers it none.")
    section.write(Kind.TEXT, ending)
    section.finish(partial(attempt.checkpoint, section.number, answer.usage))
    return Outcome(Status.COMPLETED, usage=answer.usage)


def insist(attempt: Attempt, section: Section, step: Callable[[], T]) -> T:
    """Take a step that asks the model; a passing fault begins it, and the section, again. Raises Fault, Stopped."""
    for tries in count():
        try:
            return step()
        except Fault as fault:
            if not fault.transient or tries >= attempt.shop.settings.model_retries:
                raise
            attempt.stop.wait(fault.pause(tries))
            section.restart()
    raise AssertionError


def _take_down(attempt: Attempt, section: Section, ask: Ask, heading: str) -> Answer:
    """One try at a section: what the model says, as it says it."""
    told = False

    def write(kind: Kind, text: str) -> None:
        nonlocal told
        if kind is Kind.TEXT and not told:
            section.write(Kind.TEXT, heading)
            told = True
        section.write(kind, text)

    return listen(attempt, ask, write)


def listen(attempt: Attempt, ask: Ask, write: Callable[[Kind, str], None]) -> Answer:
    """Ask the model once and hand over each piece of its answer. Raises Fault, Stopped."""
    settings, answer = attempt.shop.settings, Answer()
    patience = Patience(settings.first_token_seconds, settings.gap_seconds, settings.total_seconds)
    with attempt.stop.call(patience) as call, closing(chains.stream(attempt.shop.models, ask)) as chunks:
        try:
            for piece in answer.pieces(chunks):
                call.progress(text=piece is not None)
                if piece is not None:
                    write(*piece)
                call.check()
                if attempt.stop.is_winding_down and piece is not None and _SENTENCE_END.search(piece[1]):
                    answer.finish_reason = STOPPED
                    break
        except (Stopped, Replaced, Fault):
            raise
        except Exception as error:
            call.check()  # a socket that we shut fails like any other
            raise fault_of(error, settings.openai_base_url) or error from error
        call.check()
    if answer.finish_reason is None:  # invariant 6
        raise Fault("The model's stream ended before its answer did.")
    return answer


def persist(write: Callable[[], T], stop: Stop) -> T:
    """A write that the job depends on: while the database is away, again, until the worker has to go.

    Raises Stopped on drain; then another attempt has to do it.
    """
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            _log.warning("the database refuses a write: %s", type(error.orig).__name__)
            if stop.reason is Reason.DRAIN:
                raise Stopped from error
            time.sleep(_DATABASE_PAUSE_SECONDS)

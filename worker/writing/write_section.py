"""Writes one section: asks the model, takes down what it says, begins again after a passing fault."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from langchain_core.messages import AIMessage
from sqlalchemy.exc import InterfaceError, OperationalError

from jobs.job import Status
from jobs.protocol import response
from jobs.protocol.fold import text_of
from jobs.storage.attempts import Checkpoint, Claim
from jobs.storage.database import reason
from worker.context import WorkerContext
from worker.model import runnables, structured
from worker.model.call import stream
from worker.model.cancellation import Call, Cancellation, Reason, Stopped, Timeouts
from worker.model.chunks import ChunkReader, Kind
from worker.model.errors import ModelError
from worker.model.finish_reason import End
from worker.model.request import ModelRequest
from worker.model.retries import Retries
from worker.publishing.recording import Recording
from worker.writing.section import Section

_DATABASE_PAUSE_SECONDS = 1.0
STOPPED = "stopped"
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
class AttemptContext:
    """What everything that an attempt does needs: its events, its stop, and the worker's parts."""

    recording: Recording
    stop: Cancellation
    context: WorkerContext

    @property
    def claim(self) -> Claim:
        """The attempt's right to its job."""
        return self.recording.claim

    @property
    def models(self) -> dict[str, str | None]:
        """The models that were asked, each with why it was given up, or None; the response tells of them.

        Those that an earlier attempt has checkpoints of are among them.
        """
        earlier = chain(*(item.get("models", ()) for kept in self.claim.checkpoints for item in kept.items))
        asked: dict[str, str | None] = self.recording.notes.setdefault("models", dict.fromkeys(earlier))
        return asked

    @property
    def model(self) -> str:
        """Whom to ask: the model that the request names, else the first of its fallbacks that is not given up."""
        wanted: str = self.claim.job.request["model"]
        lineup = (wanted, *self.context.settings.server_of(wanted).fallbacks)
        return next((name for name in lineup if self.models.get(name) is None), wanted)

    @property
    def has_fallback(self) -> bool:
        """Whether another model can be asked when the present one is given up."""
        wanted: str = self.claim.job.request["model"]
        lineup = (wanted, *self.context.settings.server_of(wanted).fallbacks)
        return any(name != self.model and self.models.get(name) is None for name in lineup)

    def wait(self, section: Section, reason: str, tries: int, seconds: float) -> None:
        """Wait before the next try, visibly. Raises Stopped."""
        self.recording.waiting[section.number] = {"reason": reason, "try": tries, "until": time.time() + seconds}
        try:
            self.stop.wait(seconds)
        finally:
            del self.recording.waiting[section.number]

    def checkpoint(self, section: int, usage: Mapping[str, int] | None, items: Any) -> None:
        """Commit a finished section. Raises Fault when it has not the form that was asked for, Replaced, Stopped."""
        structured.noted(self.claim.job.request, text_of({"output": items}))
        models = [name for name, fault in self.models.items() if fault is None]
        finished = Checkpoint(section, [{**item, "models": models} for item in items], usage)
        persist(partial(self.context.attempts.checkpoint, self.claim, finished), self.stop)


def write_section(
    attempt: AttemptContext, section: Section, ask: ModelRequest, *, heading: str = "", ending: str = ""
) -> Outcome:
    """Write a section to its end and commit it; `heading` and `ending` stand around the model's words.

    Raises Stopped, Replaced.
    """
    try:
        answer = with_retries(attempt, section, partial(_write_stream, attempt, section, ask, heading))
    except ModelError as fault:
        return Outcome.failed(fault.message, fault.code)
    if answer.finish_reason == STOPPED:
        return Outcome(Status.INCOMPLETE, reason=STOPPED, usage=answer.usage)
    if answer.end in (End.LENGTH, End.FILTER):
        return Outcome(Status.INCOMPLETE, reason=answer.end, usage=answer.usage)
    if answer.end is End.TOOL:
        return Outcome.failed("The model asked for a tool instead of answering; Penstock offers it none.")
    section.write(Kind.TEXT, ending)
    try:
        section.finish(partial(attempt.checkpoint, section.number, answer.usage))
    except ModelError as fault:
        return replace(Outcome.failed(fault.message), usage=answer.usage)
    return Outcome(Status.COMPLETED, usage=answer.usage)


def with_retries(attempt: AttemptContext, section: Section, step: Callable[[], T]) -> T:
    """Take a step that asks the model; a passing fault begins it, and the section, again.

    A model that fails for good before the section has a word is given up for the next one. Raises Fault, Stopped.
    """
    retries: Retries | None = None
    while True:
        model = attempt.model
        try:
            return step()
        except ModelError as fault:
            retries = retries or Retries(attempt.context.settings, has_fallback=attempt.has_fallback)
            if (pause := retries.pause(fault)) is not None:
                attempt.wait(section, fault.message, retries.tries, pause)
                section.restart(fault.message)
                continue
            if _has_words(attempt.recording, section):
                raise
            attempt.models[model] = fault.message
            if attempt.models.get(attempt.model) is not None:  # there is no other
                raise
            retries = None


def _has_words(recording: Recording, section: Section) -> bool:
    items = [item for item in list(recording.fold.items.values()) if item.section == section.number]
    return any(recording.text_of(item) for item in items)


def _write_stream(attempt: AttemptContext, section: Section, ask: ModelRequest, heading: str) -> ChunkReader:
    """One try at a section: what the model says, as it says it."""
    told = False

    def write(kind: Kind, text: str) -> None:
        nonlocal told
        if kind is Kind.TEXT and not told:
            section.write(Kind.TEXT, heading)
            told = True
        section.write(kind, text)

    return stream_answer(attempt, ask, write)


def stream_answer(attempt: AttemptContext, ask: ModelRequest, write: Callable[[Kind, str], None]) -> ChunkReader:
    """Ask the model once and hand over each piece of its answer. Raises Fault, Stopped."""
    settings = attempt.context.settings
    answer = ChunkReader()
    ask = replace(ask, model=attempt.model)
    attempt.models.setdefault(ask.model, None)
    first = settings.first_token_seconds if settings.server_of(ask.model).stream else settings.total_seconds
    timeouts = Timeouts(first, settings.gap_seconds, settings.total_seconds, settings.keepalive_seconds)
    with attempt.stop.call(timeouts) as call, closing(_chunks(attempt, ask, call)) as chunks:
        try:
            for piece in answer.pieces(chunks):
                if answer.end is not None:
                    call.answer_ended()
                call.progress(text=piece is not None)
                if piece is not None:
                    attempt.recording.note_rate(len(piece[1]))
                    write(*piece)
                call.check()
                if attempt.stop.is_winding_down and piece is not None and _SENTENCE_END.search(piece[1]):
                    answer.finish_reason = STOPPED
                    return answer
        except ModelError:
            call.check()  # a socket that we shut fails like any other
            raise
        call.check()
    answer.check_end()
    return answer


def _chunks(attempt: AttemptContext, ask: ModelRequest, call: Call) -> Generator[AIMessage]:
    """An answer, by the chain that the prompt names or else by ours."""
    prompt = attempt.claim.job.request["prompt"] or {}
    if name := prompt.get("runnable"):
        return runnables.stream(attempt.context.models, ask, name, prompt["variables"], call)
    return stream(attempt.context.models, ask)


def persist(write: Callable[[], T], stop: Cancellation) -> T:
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

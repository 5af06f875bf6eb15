"""Stopping a generation in the time of a round trip, whatever the model is doing.

Closing a generator, a response or a client from another thread does not end a blocked read; shutting the
socket does. So every call to a model knows its sockets.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from jobs.errors import PenstockError
from worker.attempt_state import Action, Phase, Reason, action
from worker.model.errors import ModelSilent

_WIND_DOWN_SECONDS = 10.0
# After the end of its answer a server that keeps the connection open may still tell what the answer cost.
_USAGE_SECONDS = 3.0


class Stopped(PenstockError):
    """The attempt has to stop in this phase; `Cancellation.reasons` say why."""

    def __init__(self, phase: Phase = Phase.WRITING) -> None:
        super().__init__(phase)
        self.phase = phase


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that a call may take until its first token, between two, and in all.

    Between tokens the server may show for `alive` seconds that it lives, by comments or empty chunks.
    """

    first: float
    gap: float
    total: float
    alive: float = 600.0


class Call:
    """One request to the model: its open sockets, and since when it has been silent."""

    def __init__(self, stop: Cancellation, timeouts: Timeouts) -> None:
        self._stop = stop
        self._timeouts = timeouts
        self._overdue: str | None = None
        self._started = time.monotonic()
        self._sign_at = self._started  # of the last byte, whatever it was
        self._text_at: float | None = None
        self.first_text_at: float | None = None
        self._answered = False
        self._sockets: list[socket.socket] = []
        self._shut = False
        self._lock = threading.Lock()

    def heard(self, data: bytes) -> bytes:
        """The server has sent bytes, perhaps only a comment; returns them."""
        self._sign_at = time.monotonic()
        return data

    def progress(self, *, text: bool) -> None:
        """The model has sent a chunk; one without text is a sign of life and no more.

        Some servers send an empty chunk at once and then read the prompt for a minute.
        """
        self._sign_at = time.monotonic()
        if text:
            self._text_at = self._sign_at
            self.first_text_at = self.first_text_at or self._sign_at

    def answer_ended(self) -> None:
        """The model has said that its answer is whole; what may follow is its usage, for a few seconds."""
        if not self._answered:
            self._answered = True
            self._text_at = time.monotonic()

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Hook of the HTTP client: learn of each connection of this call, the moment it is there."""
        if name.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._attach(info["return_value"].get_extra_info("socket"))

    def _attach(self, opened: socket.socket) -> None:
        with self._lock:
            self._sockets.append(opened)
            shut = self._shut
        if shut:
            self.shut()

    def shut(self) -> None:
        """End all reads and writes of this call at once, from any thread."""
        with self._lock:
            self._shut = True
            opened = list(self._sockets)
        for connection in opened:
            with suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)  # invariant 7

    @property
    def is_shut(self) -> bool:
        """Whether nothing more can come of this call."""
        return self._shut

    def check(self, phase: Phase = Phase.WRITING) -> None:
        """Raises Stopped when the attempt has to stop, ModelError when the model has been silent for too long."""
        self._stop.check(phase)
        if self._overdue:
            raise ModelSilent(self._overdue, cause_code="timed_out")

    def check_silence(self, now: float) -> None:
        """Shut the call when the model has been silent for too long; `now` is monotonic."""
        timeouts = self._timeouts
        silence = now - self._sign_at
        textless = now - (self._text_at or self._started)
        longest = timeouts.first if self._text_at is None else timeouts.gap
        if self._answered:
            if textless > _USAGE_SECONDS:
                self.shut()
            return
        if now - self._started > timeouts.total:
            self._overdue = f"The model took longer than {timeouts.total:g} s."
        elif silence > longest:
            words = "said nothing" if self._text_at is None else "fell silent"
            self._overdue = f"The model {words} for {longest:g} s."
        elif textless > max(longest, timeouts.alive):
            self._overdue = f"The model server only kept the connection alive for {max(longest, timeouts.alive):g} s."
        if self._overdue:
            self.shut()


current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)


class Cancellation:
    """Whether one job's generation has to stop, and the calls to shut when it does."""

    def __init__(self) -> None:
        self.reasons: frozenset[Reason] = frozenset()
        self.wished_at: float | None = None
        self._ends_at: float | None = None
        self._event = threading.Event()
        self._calls: set[Call] = set()
        self._lock = threading.Lock()

    def request(self, reason: Reason, *, since: float | None = None) -> None:
        """Stop now, as was wished at `since` (Unix seconds)."""
        with self._lock:
            self.reasons |= {reason}
            self.wished_at = self.wished_at or since
            # Inside the lock: a call that comes later sees it, one that came before is in the list.
            self._event.set()
            calls = list(self._calls)
        for call in calls:
            call.shut()

    def wind_down(self) -> None:
        """Begin nothing new; what is being written has a few seconds to come to the end of a sentence."""
        self._ends_at = self._ends_at or time.monotonic() + _WIND_DOWN_SECONDS

    @property
    def is_winding_down(self) -> bool:
        """Whether the job is to end soon, with what it has."""
        return self._ends_at is not None

    def check(self, phase: Phase = Phase.WRITING) -> None:
        """Raises Stopped when there is a reason to stop in this phase."""
        if self._event.is_set() and action(phase, self.reasons) is not Action.NOTHING:
            raise Stopped(phase)

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until told to stop. Raises Stopped."""
        self._event.wait(seconds)
        self.check()

    @contextmanager
    def call(self, timeouts: Timeouts) -> Iterator[Call]:
        """A call to the model that this stop can shut. Raises Stopped when it is too late for one."""
        call = Call(self, timeouts)
        with self._lock:
            self._calls.add(call)
        token = current_call.set(call)
        try:
            call.check()
            yield call
        finally:
            current_call.reset(token)
            with self._lock:
                self._calls.discard(call)

    def check_silence(self, now: float) -> None:
        """Shut the calls that have been silent for too long; `now` is monotonic."""
        if self._ends_at is not None and now >= self._ends_at:
            self.request(Reason.WIND_DOWN)
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.check_silence(now)

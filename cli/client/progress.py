"""What a terminal shows on stderr while a job is followed: why it waits, then its sections, words and time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import openai
from rich.markup import escape

from cli.client.output import one_line, spinner
from cli.client.server import Job, Server
from jobs.protocol.events import Event
from jobs.protocol.fold import Fold
from jobs.protocol.progress import progress
from jobs.status.details import StatusDetails
from jobs.status.translation import duration, english

_REDRAW_SECONDS = 1.0
_ASK_SECONDS = 2.0


class ProgressLine:
    """One line that is gone at the end. Where the text goes to a terminal, it is gone before the first of the text."""

    def __init__(self, server: Server, job: Job, *, shown: bool) -> None:
        self._server = server
        self._id = job["id"]
        self._created_at = job.get("created_at", time.time())
        self._spinner = spinner(job["status"], shown=shown)
        self._is_shown = shown and sys.stderr.isatty()
        self._fold = Fold()
        self._status = job["status"]
        self._over = threading.Event()
        self._details = ""

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """The line is there for as long as this lasts."""
        with self._spinner:
            drawing = threading.Thread(target=self._draw, name="progress line", daemon=True)
            if self._is_shown:
                drawing.start()
            try:
                yield
            finally:
                self._over.set()
                if drawing.is_alive():
                    drawing.join()

    def feed(self, event: Event) -> None:
        """Take in the next event of the job."""
        if self._is_shown:
            self._fold.feed(event)
        if "response" in event:
            self._status = event["response"]["status"]

    def make_room(self, *, for_text: bool) -> None:
        """Text is about to be printed where the line may be."""
        if not for_text or sys.stdout.isatty():
            self._over.set()
            self._spinner.stop()

    def _draw(self) -> None:
        asked_at = float("-inf")
        while not self._over.is_set():
            if self._is_waiting and time.monotonic() - asked_at >= _ASK_SECONDS:
                asked_at = time.monotonic()
                self._ask()
            if not self._over.is_set():
                self._spinner.update(escape(self._line()))
            self._over.wait(_REDRAW_SECONDS)

    @property
    def _is_waiting(self) -> bool:
        return not any(item.has_text for item in list(self._fold.items.values()))

    def _ask(self) -> None:
        """What no event tells: the place in the queue, the wait for the model."""
        with suppress(openai.OpenAIError):
            told = self._server.get(self._id)["penstock"].get("status_details")
            details = StatusDetails.from_wire(told) if told else None
            self._details = one_line(details.sentence()) if details and not details.is_plain else ""

    def _line(self) -> str:
        elapsed = duration(time.time() - self._created_at)
        if self._is_waiting:
            return f"{self._details or self._status.replace('_', ' ')} · {elapsed}"
        return f"{_written(progress(list(self._fold.items.values())))} · {elapsed}"


def _written(state: Mapping[str, Any]) -> str:
    words = english("one word|{n} words", n=state["words"])
    if state["total"] == 1:
        return words
    return english("{done} of {total} sections", done=state["done"], total=state["total"]) + f" · {words}"


def notify(title: str, said: str) -> None:
    """Tell a person at another window that the job is over: by the terminal's notification, and its bell."""
    if sys.stderr.isatty():
        text, head = (one_line(words).replace(";", ",") for words in (said, title))
        sys.stderr.write(f"\x1b]9;{head}: {text}\x07\x1b]777;notify;{head};{text}\x07\a")
        sys.stderr.flush()

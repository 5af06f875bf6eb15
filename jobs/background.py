"""Threads that never end: whatever goes wrong in one round, the next one comes."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

# Of an error's way through the code: the last places of ours, and the very last.
_OWN_FRAMES = 3
_OWN_ROOMS = ("jobs/", "worker/", "web/", "cli/")
_LIBRARIES = re.compile(r"^.*/(site-packages|dist-packages|python3\.\d+)/")
_ROOT = Path(__file__).resolve().parents[1]

# Of its own: threads that draw from the one of the whole process would change what others draw.
_random = random.SystemRandom()

_log = logging.getLogger(__name__)


class Repetition:
    """A step that is run again and again, for who wants to know whether it still comes round."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.began_at = time.monotonic()

    def age(self) -> float:
        """For how many seconds the round of this moment has been going on."""
        return time.monotonic() - self.began_at


def repeat(name: str, step: Callable[[], object], *, pause: float = 1.0) -> Repetition:
    """Start a daemon thread that runs `step` again and again; after an error it waits `pause` seconds first."""
    repetition = Repetition(name)

    def run() -> None:
        while True:
            repetition.began_at = time.monotonic()
            try:
                step()
            except Exception as error:  # noqa: BLE001  (others depend on this thread)
                log_error(name, error)
                time.sleep(pause)

    threading.Thread(target=run, name=name, daemon=True).start()
    return repetition


def jittered(seconds: float, shortest: float = 0.7, longest: float = 1.3) -> float:
    """About so many seconds, between `shortest` and `longest` times as many, so that not all processes act at once."""
    return seconds * _random.uniform(shortest, longest)


def log_error(what: str, error: Exception) -> None:
    """Log an error by its type and its place in the code; its message may quote a prompt."""
    _log.warning("%s: %s at %s", what, type(error).__name__, places_of(error))  # invariant 10


def places_of(error: BaseException) -> str:
    """The way of an error through the code, short enough for a line: `web/app.py:12 > sqlalchemy/engine/base.py:9`."""
    places = [_place(frame) for frame in traceback.extract_tb(error.__traceback__)]
    own = [place for place in places if place.startswith(_OWN_ROOMS)]
    return " > ".join(dict.fromkeys([*own[-_OWN_FRAMES:], *places[-1:]]))


def _place(frame: traceback.FrameSummary) -> str:
    """File and line, the file as it is imported; of others' files just the name."""
    path = _LIBRARIES.sub("", frame.filename)
    if path == frame.filename:
        file = Path(path)
        path = str(file.relative_to(_ROOT)) if file.is_relative_to(_ROOT) else file.name
    return f"{path}:{frame.lineno}"

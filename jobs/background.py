"""Threads that never end: whatever goes wrong in one round, the next one comes."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable

_LOGGED_FRAMES = 12

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


def log_error(what: str, error: Exception) -> None:
    """Log an error by its type and the last of its places in the code; its message may quote a prompt."""
    frames = traceback.extract_tb(error.__traceback__)[-_LOGGED_FRAMES:]  # a recursion has a thousand
    way = " > ".join(f"{frame.filename}:{frame.lineno}" for frame in frames)
    _log.warning("%s: %s at %s", what, type(error).__name__, way)  # invariant 10

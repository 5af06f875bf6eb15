"""Long work in steps, between which the other requests of this process are served."""

from __future__ import annotations

import time

_PAUSE_SECONDS = 0.001
_TURN_SECONDS = 0.01


class Turns:
    """Whose turn it is: this work's for a while, then that of all others."""

    def __init__(self) -> None:
        self._paused_at = time.monotonic()

    def give_way(self) -> None:
        """Pause, if the last pause was a while ago."""
        if time.monotonic() - self._paused_at >= _TURN_SECONDS:
            time.sleep(_PAUSE_SECONDS)  # not 0: an event loop with something to do would not look at its sockets
            self._paused_at = time.monotonic()

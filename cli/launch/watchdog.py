"""Whether a process that lives still runs: it touches a file every second, and its launcher looks at it."""

from __future__ import annotations

from pathlib import Path

# Seconds between two looks from which on the launcher itself has stood still: a laptop slept, or all were stopped.
_OWN_PAUSE = 1.0


class Watchdog:
    """Judges by the launcher's own clock. A process that has not touched the file yet is starting, not frozen."""

    def __init__(self, file: Path, seconds: float) -> None:
        """`seconds` is how long the file may stay as it is."""
        self.file = file
        self.seconds = seconds
        self.begin()

    def begin(self) -> None:
        """A new process is started."""
        self.file.touch()
        self._touched = self.file.stat().st_mtime_ns
        self._changed_at: float | None = None
        self._looked_at = 0.0

    def is_frozen(self, now: float) -> bool:
        """Whether the file has stayed as it is for too long; `now` is in seconds of a clock that never goes back.

        A file that somebody has removed tells nothing.
        """
        try:
            touched = self.file.stat().st_mtime_ns
        except OSError:
            self._changed_at = None
            return False
        if touched != self._touched or (self._changed_at is not None and now - self._looked_at > _OWN_PAUSE):
            self._touched, self._changed_at = touched, now
        self._looked_at = now
        return self._changed_at is not None and now - self._changed_at > self.seconds

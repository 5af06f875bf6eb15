"""A file that is touched for as long as this process runs, for the launcher that started it.

A thread of its own does it, which waits for neither the database nor Redis: only a process that is stopped, or in
which one computation keeps the interpreter to itself, leaves the file as it is.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from jobs.background import repeat

_INTERVAL_SECONDS = 1.0


def touch_for_ever(path: Path) -> None:
    """Begin to touch the file, and to make it again where somebody has removed it."""
    repeat("heartbeat file", partial(_touch, path))


def _touch(path: Path) -> None:
    time.sleep(_INTERVAL_SECONDS)
    path.touch()

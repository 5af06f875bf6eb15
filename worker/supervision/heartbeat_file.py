"""A file that is touched for as long as this process runs, for the launcher that started it.

A thread of its own does it, which waits for neither the database nor Redis: only a process that is stopped, or in
which one computation keeps the interpreter to itself, leaves the file as it is.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from jobs.background import repeat

_INTERVAL_SECONDS = 1.0


def touch_for_ever(path: Path) -> None:
    """Touch the file, now and every second from here on, and make it again where somebody has removed it.

    The first touch is made before this returns: the launcher watches only who has touched it, and the very first job
    of a process may freeze it.
    """
    with suppress(OSError):  # the thread says what is wrong
        path.touch()
    repeat("heartbeat file", partial(_touch, path))


def _touch(path: Path) -> None:
    time.sleep(_INTERVAL_SECONDS)
    path.touch()

"""A write to the database that an attempt depends on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from jobs.storage.database import until_written
from worker.attempt_state import Phase
from worker.model.cancellation import Cancellation

T = TypeVar("T")


def persist(write: Callable[[], T], cancellation: Cancellation) -> T:
    """Write; while the database is away, again. Raises Stopped when the attempt may not wait for it any longer."""

    def pause(seconds: float) -> None:
        cancellation.check(Phase.WAITING)
        time.sleep(seconds)

    return until_written(write, pause=pause)

"""A write to the database that the job depends on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError

from jobs.storage.database import reason
from worker.attempt_state import Phase
from worker.model.cancellation import Cancellation

_PAUSE_SECONDS = 1.0

_log = logging.getLogger(__name__)
T = TypeVar("T")


def persist(write: Callable[[], T], cancellation: Cancellation) -> T:
    """Write; while the database is away, again. Raises Stopped when the attempt may not wait for it any longer."""
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            _log.warning("the database refuses a write: %s", reason(error))
            cancellation.check(Phase.WAITING)
            time.sleep(_PAUSE_SECONDS)

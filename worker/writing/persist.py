"""A write to the database that the job depends on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError

from jobs.storage.database import reason
from worker.model.cancellation import Cancellation, Reason, Stopped

_PAUSE_SECONDS = 1.0

_log = logging.getLogger(__name__)
T = TypeVar("T")


def persist(write: Callable[[], T], cancellation: Cancellation) -> T:
    """Write; while the database is away, again, until the worker has to go.

    Raises Stopped on drain; then another attempt has to do it.
    """
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            _log.warning("the database refuses a write: %s", reason(error))
            if cancellation.reason is Reason.DRAIN:
                raise Stopped from error
            time.sleep(_PAUSE_SECONDS)

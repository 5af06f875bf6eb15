"""The connections of this process that wait for a job without `background`, each with a row that shows that it lives.

When this process dies its rows stop moving, and a worker does what has to be done for those who left.
"""

from __future__ import annotations

import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from jobs.background import Repetition, repeat
from jobs.storage.database import until_written
from jobs.storage.waiters import WaiterRegistry, new_waiter_id
from web.wakeups import WakeupSender

_RENEW_SECONDS = 1.0
_LEAVE_SECONDS = 3.0


class Waiters:
    """Opens, renews and closes the rows."""

    def __init__(self, registry: WaiterRegistry, wakeups: WakeupSender) -> None:
        self._registry = registry
        self._wakeups = wakeups
        self._open: set[str] = set()
        self._lock = threading.Lock()

    def start(self) -> Repetition:
        """Begin to renew the rows."""
        return repeat("waiters", self._renew)

    def open(self) -> str:
        """The id of a new connection, for Store.accept. Whoever opens it calls `leave` or `abandon` in the end."""
        waiter = new_waiter_id()
        with self._lock:
            self._open.add(waiter)
        return waiter

    def abandon(self, waiter: str) -> None:
        """Renew a connection's row no longer, if there is one: a worker removes it when it has stood still."""
        with self._lock:
            self._open.discard(waiter)

    def leave(self, waiter: str) -> None:
        """The connection is over. Its job is cancelled if it still runs and nobody else waits for it."""
        with self._lock:
            if waiter not in self._open:
                return
            self._open.discard(waiter)
        try:
            unwanted = until_written(lambda: self._registry.leave(waiter), seconds=_LEAVE_SECONDS)
        except SQLAlchemyError:
            return  # the row stands still from now on, and a worker finds it
        if unwanted and unwanted.is_running:
            self._wakeups.cancel(unwanted.job_id)
        if unwanted and unwanted.is_removed:
            self._wakeups.deleted(unwanted.job_id)

    def _renew(self) -> None:
        time.sleep(_RENEW_SECONDS)
        with self._lock:
            waiters = list(self._open)
        self._registry.renew(waiters)

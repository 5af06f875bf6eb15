"""The open connections of creates without `background`: whoever leaves early no longer wants its job.

Each has a row with a lease. If this process dies, a worker finds the lease dead and does what `leave` does here.
"""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from jobs.background import repeat
from jobs.storage.database import reason
from jobs.storage.waiters import WaiterRegistry
from web.relay.disconnect import has_left
from web.wakeups import WakeupSender

_LOOK_SECONDS = 0.5
# A lease survives this many renewals that do not get through.
_RENEWALS_PER_LEASE = 5

_log = logging.getLogger(__name__)


class Waiters:
    """Watches the connections of this process and renews their leases, in two threads."""

    def __init__(self, registry: WaiterRegistry, wakeups: WakeupSender, lease_seconds: float) -> None:
        self._registry = registry
        self._wakeups = wakeups
        self._renew_seconds = lease_seconds / _RENEWALS_PER_LEASE
        self._connections: dict[str, socket.socket | None] = {}

    def start(self) -> None:
        """Begin to watch."""
        repeat("waiter connections", self._look, pause=0)
        repeat("waiter leases", self._renew, pause=0)

    def add(self, waiter: str, connection: socket.socket | None) -> None:
        """Look after a waiter whose row exists. Without its socket, only the end of the answer ends the waiting."""
        self._connections[waiter] = connection

    def leave(self, waiter: str) -> None:
        """The answer is complete, or the client is gone; again is no error.

        While the database is away nothing is written: the lease ends, and a worker does the rest.
        """
        if self._connections.pop(waiter, self) is self:
            return
        try:
            job_id = self._registry.leave(waiter)
        except SQLAlchemyError as error:
            _log.warning("a waiter's lease has to run out: %s", reason(error))
            return
        if job_id is not None:
            self._wakeups.cancel(job_id)

    def _look(self) -> None:
        time.sleep(_LOOK_SECONDS)
        for waiter, connection in list(self._connections.items()):
            if connection is not None and has_left(connection):
                self.leave(waiter)

    def _renew(self) -> None:
        time.sleep(self._renew_seconds)
        with suppress(SQLAlchemyError):
            self._registry.renew(list(self._connections))

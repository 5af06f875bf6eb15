"""Sends wake-ups after the answer: a POST is accepted once its row is stored, whatever Redis does.

Workers look for queued jobs by themselves every second or two, so one that could not be sent is not repeated.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from functools import partial

from jobs.background import repeat
from jobs.transport.event_log import EventLog
from jobs.transport.queue import Queue, QueueAway

_log = logging.getLogger(__name__)


class WakeupSender:
    """The sending threads of a web process: one for queued jobs, one for all else; neither holds up the other."""

    def __init__(self, outgoing: Queue, log: EventLog, *, most: int) -> None:
        """`most` is how many untaken wake-ups there may be: when a worker has room, it looks for more by itself."""
        self._queue = outgoing
        self._most = most
        self._log = log
        self._jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._others: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin to send."""
        repeat("job wake-ups", self._send_waiting)
        # One that fails is not repeated: workers read the rows every second anyway, and keys expire.
        repeat("other wake-ups", self._send_other, pause=0)

    def job(self, job_id: str) -> None:
        """Tell the workers that a job waits."""
        self._jobs.put(job_id)

    def cancel(self, job_id: str) -> None:
        """Tell the workers that a job is to end."""
        self._others.put(partial(self._log.call_workers, job_id))

    def deleted(self, job_id: str) -> None:
        """Remove what Redis keeps of a deleted job."""
        self._others.put(partial(self._log.delete, job_id))

    def _send_waiting(self) -> None:
        waiting = [self._jobs.get()]
        while not self._jobs.empty():
            waiting.append(self._jobs.get())
        self._send(waiting)

    def _send_other(self) -> None:
        self._others.get()()

    def _send(self, job_ids: list[str]) -> None:
        """Send what workers may have room for; at Redis's first refusal the rest is left to them."""
        sent = 0
        try:
            for job_id in job_ids[: max(0, self._most - self._queue.untaken())]:
                self._queue.wake(job_id)
                sent += 1
        except QueueAway as error:
            _log.warning("%d wake-ups were not sent: %s", len(job_ids) - sent, error)

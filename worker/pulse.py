"""The pulse of a worker process: once a second it shows that it lives and looks for jobs to be cancelled.

The control channel only wakes it early; what is to be done stands in the database.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import redis
from sqlalchemy.exc import SQLAlchemyError

from jobs.attempts import Attempts
from jobs.event_log import CONTROL_CHANNEL
from jobs.liveness import Liveness
from worker.running import Running

INTERVAL_SECONDS = 1.0
# A lease survives this many beats that do not get through.
_BEATS_PER_LEASE = 5

_log = logging.getLogger(__name__)


class Pulse:
    """Two threads: one that beats, one that listens for wake-ups."""

    def __init__(
        self,
        worker: str,
        lease_seconds: float,
        *,
        liveness: Liveness,
        attempts: Attempts,
        running: Running,
        client: Any,
    ) -> None:
        self._worker, self._beat_every = worker, lease_seconds / _BEATS_PER_LEASE
        self._liveness, self._attempts, self._running, self._client = liveness, attempts, running, client
        self._wake = threading.Event()
        self._beaten_at = time.monotonic()

    def start(self) -> None:
        """Open the worker's row and begin to beat. Raises SQLAlchemyError when there is no database."""
        self._liveness.register(self._worker)
        threading.Thread(target=self._beat_for_ever, name="pulse", daemon=True).start()
        threading.Thread(target=self._listen_for_ever, name="control", daemon=True).start()

    def _beat_for_ever(self) -> None:
        while True:
            self._wake.wait(INTERVAL_SECONDS)
            self._wake.clear()
            self._running.check_silence(time.monotonic())
            try:
                self._beat()
            except SQLAlchemyError as error:
                _log.warning("the database does not answer: %s", type(error).__name__)

    def _beat(self) -> None:
        now = time.monotonic()
        if len(self._running):
            self._running.cancel(self._attempts.to_cancel(self._worker))
        if now - self._beaten_at >= self._beat_every:
            self._beaten_at = now
            if not self._liveness.beat(self._worker):
                # Taken for dead while it slept: its jobs are with others by now, new ones need a live row.
                self._liveness.register(self._worker)

    def _listen_for_ever(self) -> None:
        while True:
            try:
                with self._client.pubsub(ignore_subscribe_messages=True) as channel:
                    channel.subscribe(CONTROL_CHANNEL)
                    while True:
                        if channel.get_message(timeout=3.0) is not None:
                            self._wake.set()
            except (redis.RedisError, OSError):
                time.sleep(INTERVAL_SECONDS)  # until then, the next beat finds what there is to do

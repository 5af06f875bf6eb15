"""The pulse of a worker process: once a second it shows that it lives and looks for jobs to be cancelled.

The control channel only wakes it early; what is to be done stands in the database.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from jobs.background import repeat
from jobs.storage.attempts import Note
from jobs.transport.event_log import CONTROL_CHANNEL
from worker.context import WorkerContext
from worker.publishing.recording import Recording

INTERVAL_SECONDS = 1.0
# A lease survives this many beats that do not get through.
_BEATS_PER_LEASE = 5
_NOTE_SECONDS = 2.0


class Heartbeat:
    """Two threads: one that beats, one that listens for wake-ups."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._wake = threading.Event()
        self._beaten_at = time.monotonic()
        self._strays: set[tuple[str, int]] = set()
        self._noted_at = time.monotonic()
        self._noted: dict[Recording, Note] = {}

    def start(self) -> None:
        """Open the worker's row and begin to beat. Raises SQLAlchemyError when there is no database."""
        self._context.worker_registry.register(self._context.worker)
        repeat("pulse", self._round)
        repeat("control", self._listen)

    def _round(self) -> None:
        self._wake.wait(INTERVAL_SECONDS)
        self._wake.clear()
        self._context.running.check_silence(time.monotonic())
        self._beat()
        self._note_progress()

    def _beat(self) -> None:
        context, now = self._context, time.monotonic()
        strays = context.running.stop_unwanted(lambda: context.attempts.held(context.worker))
        # Twice in a row: not one that is just being claimed, but one whose claim was committed and never heard of.
        for job_id, attempt in strays & self._strays:
            context.attempts.give_up(job_id, attempt)
        self._strays = strays
        if now - self._beaten_at >= context.settings.lease_seconds / _BEATS_PER_LEASE:
            self._beaten_at = now
            if not context.worker_registry.beat(context.worker):
                # Taken for dead while it slept: its jobs are with others by now, new ones need a live row.
                context.worker_registry.register(context.worker)

    def _note_progress(self) -> None:
        """Tell the rows of running jobs how far they are, where that has changed."""
        if (now := time.monotonic()) - self._noted_at < _NOTE_SECONDS:
            return
        found = {recording: recording.note() for recording in self._context.publisher.recordings()}
        if fresh := [note for one, note in found.items() if self._noted.get(one) != note]:
            self._context.attempts.note_progress(fresh)
        self._noted, self._noted_at = found, now

    def _listen(self) -> None:
        """Wake the pulse for every message. While Redis is away, the next beat finds what there is to do."""
        client: Any = self._context.redis
        with client.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(CONTROL_CHANNEL)
            while True:
                if channel.get_message(timeout=3.0) is not None:
                    self._wake.set()

"""The heartbeat of a worker process: once a second it shows that it lives and looks for jobs to be cancelled.

The control channel only wakes it early; what is to be done stands in the database.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import redis

from jobs.background import repeat
from jobs.storage.attempts import Note
from jobs.transport.event_log import CONTROL_CHANNEL
from worker.context import WorkerContext
from worker.publishing.event_writer import EventWriter

INTERVAL_SECONDS = 1.0
# A lease survives this many beats that do not get through.
_BEATS_PER_LEASE = 5
_NOTE_SECONDS = 2.0
STRAY_SECONDS = 5.0


class Heartbeat:
    """Two threads: one that beats, one that listens for wake-ups."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._wake = threading.Event()
        self._beaten_at = time.monotonic()
        self._looked_at = time.monotonic()
        self._strays: dict[tuple[str, int], float] = {}
        self._noted_at = time.monotonic()
        self._notes: dict[EventWriter, Note] = {}
        self._server_id = ""
        self._row = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Open the worker's row and begin to beat. Raises SQLAlchemyError when there is no database."""
        self._context.worker_registry.register(self._context.worker)
        repeat("heartbeat", self._round)
        repeat("control", self._listen)

    def close(self) -> None:
        """Remove the worker's row; no beat that is under way opens it again."""
        with self._row:
            self._closed = True
            self._context.worker_registry.forget(self._context.worker)

    def _round(self) -> None:
        self._wake.wait(INTERVAL_SECONDS)
        self._wake.clear()
        self._context.running.check_silence(time.monotonic())
        self.look_at_jobs(time.monotonic())
        self._beat()
        self._note_progress()

    def look_at_jobs(self, now: float) -> None:
        """Stop what is to be stopped, and give up what this worker has by its row but does not run; `now` is monotonic.

        A claim may have been committed and its answer lost. One that is just being made has some seconds to arrive;
        those in which this process itself did not run do not count.
        """
        context = self._context
        passed = min(now - self._looked_at, 2 * INTERVAL_SECONDS)
        strays = context.running.stop_unwanted(lambda: context.attempts.held(context.worker))
        self._strays = {stray: self._strays.get(stray, -passed) + passed for stray in strays}
        self._looked_at = now
        for (job_id, attempt), seconds in self._strays.items():
            if seconds >= STRAY_SECONDS:
                context.attempts.give_up(job_id, attempt)

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten_at < self._context.settings.lease_seconds / _BEATS_PER_LEASE:
            return
        self._beaten_at = now
        registry = self._context.worker_registry
        worker = self._context.worker
        with self._row:
            if not self._closed and not registry.beat(worker):
                # Taken for dead while it slept: its jobs are with others by now, new ones need a live row.
                registry.register(worker)

    def _note_progress(self) -> None:
        """Tell the rows of running jobs how far they are, where that has changed."""
        now = time.monotonic()
        if now - self._noted_at < _NOTE_SECONDS:
            return
        with suppress(redis.RedisError):
            self._server_id = self._context.log.server_id()
        notes = {writer: writer.note(self._server_id) for writer in self._context.running.writers()}
        changed = [note for writer, note in notes.items() if self._notes.get(writer) != note]
        if changed:
            self._context.attempts.note_progress(changed)
        self._notes = notes
        self._noted_at = now

    def _listen(self) -> None:
        """Wake the heartbeat for every message. While Redis is away, the next beat finds what there is to do."""
        client: Any = self._context.redis
        with client.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(CONTROL_CHANNEL)
            while True:
                if channel.get_message(timeout=3.0) is not None:
                    self._wake.set()

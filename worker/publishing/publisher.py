"""Carries the frames of all jobs of this process to the log: one call in flight, one script run per job.

A flush takes whatever has gathered during the last one, so load makes batches and no timer adds latency; only
a job that nobody watches waits, for a tenth of the memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
from sqlalchemy.exc import SQLAlchemyError

from jobs.background import log_error
from jobs.transport.event_log import Append, AppendResult, AppendStatus, EventLog
from worker.publishing.recording import Recording

UNWATCHED_SECONDS = 0.2
_BACKOFF_SECONDS = (0.02, 1.0)


@dataclass(eq=False, slots=True)
class _Line:
    """One recording on its way to the log."""

    recording: Recording
    replaced: Callable[[], None]
    is_current: Callable[[], bool]
    watched: bool = True
    flushed_at: float = 0.0

    def due_in(self, now: float) -> float | None:
        """Seconds until this recording should be flushed; None when it has nothing to send."""
        if not self.recording.has_work:
            return None
        if self.watched or self.recording.urgent:
            return 0.0
        return max(0.0, self.flushed_at + UNWATCHED_SECONDS - now)


class Publisher:
    """The publishing thread of a worker process."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._lines: dict[str, _Line] = {}
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._settled = threading.Condition(self._lock)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def close(self) -> None:
        """Publish no more."""
        self._closed = True
        self._work.set()
        self._thread.join()

    def recordings(self) -> list[Recording]:
        """All that is being published."""
        with self._lock:
            return [line.recording for line in self._lines.values()]

    def wake(self) -> None:
        """Some recording has work."""
        if not self._work.is_set():
            self._work.set()

    def add(self, recording: Recording, *, replaced: Callable[[], None], is_current: Callable[[], bool]) -> None:
        """Publish this recording from now on, until its end is sent.

        `replaced()` is called when a newer attempt owns the log; `is_current()` asks the row, before a lost
        log is put back.
        """
        with self._lock:
            self._lines[recording.claim.job.id] = _Line(recording, replaced, is_current)
        self.wake()

    def remove(self, recording: Recording) -> None:
        """Publish nothing more of this recording."""
        with self._settled:
            line = self._lines.get(recording.claim.job.id)
            if line is not None and line.recording is recording:
                del self._lines[recording.claim.job.id]
            self._settled.notify_all()

    def settle(self, recording: Recording, timeout: float) -> None:
        """Wait until the log has all of this recording, or `timeout` seconds."""
        with self._settled:
            self._settled.wait_for(lambda: not recording.has_work, timeout)

    def _run(self) -> None:
        pause = _BACKOFF_SECONDS[0]
        while not self._closed:
            self._work.wait(self._next_due())
            self._work.clear()
            try:
                healthy = self._flush()
            except Exception as error:  # noqa: BLE001  (the thread serves every job: no error of one may end it)
                log_error("publishing", error)
                healthy = False
            pause = _BACKOFF_SECONDS[0] if healthy else min(pause * 2, _BACKOFF_SECONDS[1])
            if not healthy:
                time.sleep(pause)
                self._work.set()

    def _next_due(self) -> float | None:
        now = time.monotonic()
        with self._lock:
            waits = [wait for line in self._lines.values() if (wait := line.due_in(now)) is not None]
        return min(waits, default=None)

    def _flush(self) -> bool:
        """Send what is due, in one call; false when the log did not take all of it."""
        now = time.monotonic()
        with self._lock:
            due = [line for line in self._lines.values() if line.due_in(now) == 0.0]
        sending = [(line, batch) for line in due if (batch := line.recording.batch()) is not None]
        if not sending:
            return True
        answers = self._log.append([batch for _, batch in sending])
        healthy = [
            self._settle(line, batch, answer, now) for (line, batch), answer in zip(sending, answers, strict=True)
        ]
        with self._settled:
            self._settled.notify_all()
        return all(healthy)

    def _settle(self, line: _Line, batch: Append, answer: AppendResult, now: float) -> bool:
        """Act on one answer; false when the batch has to be sent again later."""
        recording = line.recording
        if answer.status is AppendStatus.STALE:
            self.remove(recording)
            line.replaced()
        elif batch.ends:
            self.remove(recording)  # tried once: the row says already that it has ended
        elif answer.status is AppendStatus.OK:
            recording.acknowledge(answer.tail)
            line.watched, line.flushed_at = answer.listeners > 0, now
        elif answer.status is AppendStatus.LOST:
            return self._rebuild(line)
        else:
            return False
        return True

    def _rebuild(self, line: _Line) -> bool:
        """Put a lost log back whole, if the row still says that it is ours."""
        recording = line.recording
        try:
            if not line.is_current():
                self.remove(recording)
                line.replaced()
                return True
            last, pages = recording.pages()
            answer = self._log.rebuild(recording.claim.job.id, recording.claim.attempt, pages)
        except (redis.RedisError, SQLAlchemyError):
            return False
        if answer.status is AppendStatus.OK:
            recording.acknowledge(last)
        return answer.status is AppendStatus.OK

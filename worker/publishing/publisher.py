"""Carries the frames of all jobs of this process to the log: one call in flight, one script run per job.

A flush takes whatever has gathered during the last one, so load makes batches. Where many jobs are written it waits for
two milliseconds more, for their company; and a job that nobody watches waits, for a tenth of the memory.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import redis
from sqlalchemy.exc import SQLAlchemyError

from jobs.background import log_error
from jobs.transport.event_log import Append, AppendResult, AppendStatus, EventLog
from worker.publishing.frame_buffer import FrameBuffer

UNWATCHED_SECONDS = 0.2
# With more jobs than so many, each call to Redis waits until a few of them have something to send.
_FEW_JOBS = 4
_COMPANY_SECONDS = 0.002
_SHORTEST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class _Publication:
    """One job's buffer on its way to the log."""

    buffer: FrameBuffer
    on_replaced: Callable[[], None]
    is_current: Callable[[], bool]
    watched: bool = True
    flushed_at: float = 0.0
    # Of its own: a job whose log refuses it must not slow the others down.
    pause: float = 0.0
    retry_at: float = 0.0

    @property
    def is_waited_for(self) -> bool:
        """Whether what the buffer has is for somebody, or for all who may come."""
        return self.watched or self.buffer.urgent

    def due_in(self, now: float) -> float | None:
        """Seconds until the buffer should be flushed; None when it has nothing to send."""
        if not self.buffer.has_work:
            return None
        if self.is_waited_for:
            return max(0.0, self.retry_at - now)
        return max(0.0, self.flushed_at + UNWATCHED_SECONDS - now, self.retry_at - now)

    def delay(self, now: float) -> None:
        """The log did not take the last batch: send it again later, each time later than the last."""
        self.pause = min(max(self.pause * 2, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        self.retry_at = now + self.pause


class Publisher:
    """The publishing thread of a worker process."""

    def __init__(self, log: EventLog, observe_lag: Callable[[float], object] = lambda _: None) -> None:
        """`observe_lag` is told how long text that somebody waits for was on its way to the log, in seconds."""
        self._log = log
        self._observe_lag = observe_lag
        self._publications: dict[str, _Publication] = {}
        # The ids of jobs that have got something to send since it was looked last, and the jobs that had it then.
        self._calls: deque[str] = deque()
        self._busy: dict[str, _Publication] = {}
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._flushed = threading.Condition(self._lock)
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

    def wake(self, job_id: str) -> None:
        """The buffer of this job has work."""
        self._calls.append(job_id)
        busy = self._busy.get(job_id)
        if (busy is None or busy.is_waited_for) and not self._work.is_set():
            self._work.set()

    def add(self, buffer: FrameBuffer, *, on_replaced: Callable[[], None], is_current: Callable[[], bool]) -> None:
        """Publish this buffer from now on, until its end is sent.

        `on_replaced()` is called when a newer attempt owns the log; `is_current()` asks the row, before a lost
        log is put back.
        """
        with self._lock:
            self._publications[buffer.claim.job.id] = _Publication(buffer, on_replaced, is_current)
        self.wake(buffer.claim.job.id)

    def remove(self, buffer: FrameBuffer) -> None:
        """Publish nothing more of this buffer."""
        with self._lock:
            publication = self._publications.get(buffer.claim.job.id)
            if publication is not None and publication.buffer is buffer:
                del self._publications[buffer.claim.job.id]
            self._flushed.notify_all()

    def wait_until_sent(self, buffer: FrameBuffer, timeout: float) -> None:
        """Wait until the log has all of this buffer, or `timeout` seconds."""
        with self._lock:
            self._flushed.wait_for(lambda: not buffer.has_work, timeout)

    def _run(self) -> None:
        while not self._closed:
            self._work.wait(self._next_due())
            self._work.clear()
            if len(self._publications) > _FEW_JOBS:
                time.sleep(_COMPANY_SECONDS)
            try:
                self.flush(time.monotonic())
            except Exception as error:  # noqa: BLE001  (the thread serves every job: no error of one may end it)
                log_error("publishing", error)
                time.sleep(_LONGEST_PAUSE_SECONDS)

    def _next_due(self) -> float | None:
        now = time.monotonic()
        return min((wait for each in self._with_work() if (wait := each.due_in(now)) is not None), default=None)

    def _with_work(self) -> list[_Publication]:
        """The jobs that have something to send. The others are not looked at: many wait for their model."""
        with self._lock:
            while True:
                while self._calls:
                    job_id = self._calls.popleft()
                    if job_id in self._publications:
                        self._busy[job_id] = self._publications[job_id]
                for job_id, publication in list(self._busy.items()):
                    if self._publications.get(job_id) is not publication or not publication.buffer.has_work:
                        del self._busy[job_id]
                if not self._calls:  # whoever has found a job here has called before it was taken away
                    return list(self._busy.values())

    def flush(self, now: float) -> None:
        """Send what is due `now`, in seconds of a clock that never goes back, in one call."""
        due = [publication for publication in self._with_work() if publication.due_in(now) == 0.0]
        batches = [(publication, batch) for publication in due if (batch := self._batch(publication, now)) is not None]
        if not batches:
            return
        results = self._log.append([batch for _, batch in batches])
        for (publication, batch), result in zip(batches, results, strict=True):
            if self._settle(publication, batch, result, now):
                publication.pause = publication.retry_at = 0.0
            else:
                publication.delay(now)
        with self._lock:
            self._flushed.notify_all()

    def _batch(self, publication: _Publication, now: float) -> Append | None:
        """The next batch of one job; whatever may be wrong with it is no other job's trouble."""
        try:
            return publication.buffer.batch()
        except Exception as error:  # noqa: BLE001  (whatever is in the text)
            log_error(f"job {publication.buffer.claim.job.id}: publishing", error)
            publication.delay(now)
            return None

    def _settle(self, publication: _Publication, batch: Append, result: AppendResult, now: float) -> bool:
        """Act on one answer; false when the batch has to be sent again later."""
        buffer = publication.buffer
        if result.status is AppendStatus.STALE:
            self.remove(buffer)
            publication.on_replaced()
        elif batch.ends:
            self.remove(buffer)  # tried once: the row says already that the job has ended
        elif result.status is AppendStatus.OK:
            waited = buffer.acknowledge(result.tail)
            if waited is not None and publication.watched:
                self._observe_lag(waited)
            publication.watched = result.listeners > 0
            publication.flushed_at = now
        elif result.status is AppendStatus.LOST:
            return self._rebuild(publication)
        else:
            return False
        return True

    def _rebuild(self, publication: _Publication) -> bool:
        """Put a lost log back whole, if the row still says that it is ours; false when that has to wait."""
        buffer = publication.buffer
        job_id = buffer.claim.job.id
        attempt = buffer.claim.attempt
        buffer.lose_log()
        try:
            # The row is asked before the fence is taken, so that a replaced attempt takes none, and after it: a job
            # that is deleted after that loses its fence again.
            is_current = publication.is_current
            if not is_current() or self._log.take(job_id, attempt).status is AppendStatus.STALE or not is_current():
                self.remove(buffer)
                publication.on_replaced()
                return True
            last, pages = buffer.pages()
            result = self._log.rebuild(job_id, attempt, pages)
        except (redis.RedisError, SQLAlchemyError):
            return False
        if result.status is AppendStatus.OK:
            buffer.acknowledge(last)
        return result.status is AppendStatus.OK

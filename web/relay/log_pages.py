"""The log of one followed job, of which viewers who come late read whole pages once between them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future

from jobs.transport.event_log import PAGE as LOG_PAGE
from jobs.transport.event_log import EventLog
from web.relay.batch import Batch
from web.relay.shared_reads import SharedReads

# Frames of a page that is shared.
PAGE = 100
KEPT_BYTES = 1 << 20


class LogPages:
    """Keeps only pages that are whole: behind a shorter one more may have come since it was read."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._tail = -1
        self._newest = SharedReads(self._read)
        self._pages: dict[int, Future[Batch | None]] = {}
        self._kept: deque[tuple[int, int]] = deque()
        self._size = 0
        self._lock = threading.Lock()

    def read(self, log: EventLog, cursor: int) -> Iterator[Batch]:
        """What the log has behind `cursor` now. Raises RedisError."""
        while self._tail - cursor > PAGE and (shared := self._shared(log, cursor)):
            yield shared
            cursor = shared.last
        is_last = False
        while not is_last:
            batch, is_last = self._newest.get((log, cursor))
            if batch is None:
                return
            self._tail = max(self._tail, batch.last)
            yield batch
            cursor = batch.last

    def _read(self, place: tuple[EventLog, int]) -> tuple[Batch | None, bool]:
        """A page behind a cursor, however short, and whether nothing is behind it."""
        log, cursor = place
        page = next(log.read(self._job_id, cursor), [])
        return Batch.of(page) if page else None, len(page) < LOG_PAGE

    def _shared(self, log: EventLog, cursor: int) -> Batch | None:
        """The page behind `cursor`, read by whoever asks first; None when it is not whole, or could not be read."""
        with self._lock:
            reading = self._pages.get(cursor)
            own = self._pages.setdefault(cursor, Future()) if reading is None else None
        if own is None:
            return reading.result() if reading else None
        batch = None
        try:
            page = next(log.read(self._job_id, cursor, PAGE), [])
            batch = Batch.of(page) if len(page) == PAGE else None
        finally:
            self._settle(cursor, own, batch)
        return batch

    def _settle(self, cursor: int, reading: Future[Batch | None], batch: Batch | None) -> None:
        with self._lock:
            if batch is None:
                del self._pages[cursor]
            else:
                self._kept.append((cursor, len(batch.frames)))
                self._size += len(batch.frames)
            while self._size > KEPT_BYTES:
                oldest, size = self._kept.popleft()
                del self._pages[oldest]
                self._size -= size
        reading.set_result(batch)

"""What this process knows of one followed job: its newest frames, one copy for all its viewers."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from web.relay.batch import Batch
from web.relay.log_pages import LogPages
from web.relay.viewer_socket import ViewerSocket

# A viewer that falls further behind reads the log: a slow one costs no memory.
BUFFER_BYTES = 1 << 20


class Topic:
    """Batches without a gap, as the channel carried them, and the viewers who wait for more.

    `rescans` rises whenever the channel may have missed something and the log has to be read; `over` says that
    the job's row has an end, so that the rest is in the database.
    """

    def __init__(self, job_id: str, observe_lag: Callable[[float], object] = lambda _: None) -> None:
        """`observe_lag` is told how long after its arrival a viewer's connection took a message, in seconds."""
        self.job_id = job_id
        self.log_pages = LogPages(job_id)
        self._observe_lag = observe_lag
        self.viewers = 0
        self.version = 0
        self.rescans = 0
        self.over = False
        self.tail = -1
        self.heard_at = time.monotonic()
        # Of viewers who sleep and have everything: news are written to them.
        self.sockets: set[ViewerSocket] = set()
        self._batches: deque[Batch] = deque()
        self._size = 0
        self._changed = threading.Condition()

    def add(self, first: int, frames: bytes) -> None:
        """A message from the channel. One that does not follow the last sends everybody to the log."""
        batch = Batch(first, first + frames.count(b"\n\n") - 1, frames, time.monotonic())
        with self._changed:
            newest = self._batches[-1].last if self._batches else first - 1
            if batch.last <= newest:
                return
            if first != newest + 1:
                self._batches.clear()
                self._size = 0
                self.request_rescan()
            self._batches.append(batch)
            self._size += len(frames)
            while self._size > BUFFER_BYTES and len(self._batches) > 1:
                self._size -= len(self._batches.popleft().frames)
            self.tail, self.heard_at = batch.last, time.monotonic()
            self._notify()

    def request_rescan(self) -> None:
        """The channel may have missed something."""
        with self._changed:
            self.rescans += 1
            self._wake()

    def end(self) -> None:
        """The job's row has an end, or is gone."""
        with self._changed:
            self.over = True
            self._wake()

    def nudge(self) -> None:
        """Let every viewer have a heartbeat that is due."""
        with self._changed:
            self._notify()
            for viewer in self.sockets:
                viewer.beat(time.monotonic())

    def after(self, cursor: int) -> Batch | None:
        """Everything buffered that follows `cursor` directly; None if the buffer lacks its successor."""
        with self._changed:
            if not self._batches or not self._batches[0].first <= cursor + 1 <= self._batches[-1].last:
                return None
            run: list[bytes] = []
            for batch in reversed(self._batches):
                run.append(batch.after(cursor))
                if batch.first <= cursor + 1:
                    break
            return Batch(cursor + 1, self._batches[-1].last, b"".join(reversed(run)), batch.came_at)

    def full_since(self, latest: float) -> int:
        """How many viewers' sockets have not taken what was written to them at `latest` or before."""
        return sum(viewer.is_full and viewer.sent_at <= latest for viewer in self.sockets)

    def written(self, batch: Batch) -> float:
        """A viewer's connection has taken a batch: the monotonic time of it."""
        now = time.monotonic()
        if batch.came_at is not None:
            self._observe_lag(now - batch.came_at)
        return now

    def has_passed(self, cursor: int) -> bool:
        """Whether the buffer begins only behind the successor of `cursor`."""
        with self._changed:
            return bool(self._batches) and self._batches[0].first > cursor + 1

    def wait(self, version: int, viewer: ViewerSocket | None = None) -> None:
        """Sleep until something has happened since `version`; for a viewer with a socket, something that its greenlet
        has to see to: it may have been sent more meanwhile. Raises OSError when that viewer has left.
        """
        if viewer is None:
            with self._changed:
                self._changed.wait_for(lambda: self.version != version)
        elif self.version == version:
            self.sockets.add(viewer)
            try:
                viewer.sleep()
            finally:
                self.sockets.discard(viewer)

    def _wake(self) -> None:
        """Something has happened that is no news."""
        self._notify()
        for viewer in self.sockets:
            viewer.wake()

    def _notify(self) -> None:
        self.version += 1
        self._changed.notify_all()

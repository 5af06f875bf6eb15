"""The live pages of this process: one for each job whose page is open, and for a while after the last viewer left."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from jobs.background import log_error
from jobs.job import Job
from jobs.protocol import events
from jobs.storage.store import Store
from web.live.job_state import JobState
from web.live.live_page import LivePage
from web.live.outlook import Outlook
from web.relay.follow import Relay

# A page that is loaded again, and a tab that is shown again, find it as they left it.
_LINGER_SECONDS = 60.0
_MAX_UNWATCHED = 32


class LivePages:
    """Finds a job's live page, or makes it."""

    def __init__(self, relay: Relay, store: Store, outlook: Outlook) -> None:
        self._relay = relay
        self._store = store
        self._outlook = outlook
        self._pages: dict[str, LivePage] = {}
        self._lock = threading.Lock()
        self._left: deque[LivePage] = deque()

    @contextmanager
    def watch(self, job: Job) -> Iterator[LivePage]:
        """The job's live page, fed for as long as somebody watches it. Waits for nothing."""
        with self._lock:
            self._forget()
            live_page = self._pages.get(job.id)
            if live_page is None:
                live_page = self._pages[job.id] = LivePage(partial(self._read_state, job.owner, job.id))
                threading.Thread(target=self._feed, args=[live_page, job], name="live page", daemon=True).start()
            live_page.viewers += 1
        try:
            yield live_page
        finally:
            # Without the lock: the garbage collector may close a viewer's generator inside a call that holds it.
            self._left.append(live_page)

    def _read_state(self, owner: str, job_id: str) -> JobState:
        return JobState.of(self._outlook, self._store.get(owner, job_id))

    def viewers(self) -> tuple[int, int]:
        """How many watch, and how many live pages are still fed."""
        with self._lock:
            self._forget()
            pages = self._pages.values()
            return sum(page.viewers for page in pages), sum(not page.over for page in pages)

    def _feed(self, live_page: LivePage, job: Job) -> None:
        try:
            with closing(self._relay.follow(job)) as pieces:
                for piece in pieces:
                    for event in events.events_of(events.split(piece)):
                        live_page.feed(event)
                    live_page.wake()
                    if self._is_forgotten(live_page):
                        break
        except Exception as error:  # noqa: BLE001  (its viewers come back, and find a new one)
            log_error("live page", error)
            with self._lock:
                self._pages.pop(job.id, None)
        finally:
            live_page.wake(over=True)

    def _is_forgotten(self, live_page: LivePage) -> bool:
        with self._lock:
            self._forget()
            return live_page not in self._pages.values()

    def _forget(self) -> None:
        """Drop pages that nobody has watched for long, and the longest left when there are many. The lock is held."""
        while self._left:
            page = self._left.popleft()
            page.viewers -= 1
            page.left_at = time.monotonic()
        unwatched = sorted((page.left_at, job_id) for job_id, page in self._pages.items() if page.viewers == 0)
        oldest = time.monotonic() - _LINGER_SECONDS
        for number, (left_at, job_id) in enumerate(reversed(unwatched)):
            if left_at < oldest or number >= _MAX_UNWATCHED:
                del self._pages[job_id]

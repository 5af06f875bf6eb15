"""The screens of this process: one for each job whose page is open, and for a while after the last viewer left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from jobs.background import log_error
from jobs.job import Job
from jobs.protocol import events
from jobs.storage.store import Store
from web.live.job_state import JobState
from web.live.live_page import LivePage
from web.relay.follow import Relay

# A page that is loaded again, and a tab that is shown again, find it as they left it.
_LINGER_SECONDS = 60.0
_MAX_LEFT = 32


class LivePages:
    """Finds a job's screen, or makes it."""

    def __init__(self, relay: Relay, store: Store) -> None:
        self._relay, self._store = relay, store
        self._screens: dict[str, LivePage] = {}
        self._lock = threading.Lock()

    @contextmanager
    def watch(self, job: Job) -> Iterator[LivePage]:
        """The job's screen, which is fed for as long as somebody watches it. Does not wait for anything."""
        with self._lock:
            self._forget()
            live_page = self._screens.get(job.id)
            if live_page is None:
                live_page = self._screens[job.id] = LivePage(partial(JobState.of, self._store, job.owner, job.id))
                threading.Thread(target=self._feed, args=[live_page, job], name="screen", daemon=True).start()
            live_page.viewers += 1
        try:
            yield live_page
        finally:
            with self._lock:
                live_page.viewers -= 1
                live_page.left_at = time.monotonic()

    def viewers(self) -> tuple[int, int]:
        """How many watch, and how many screens are still fed."""
        with self._lock:
            live_pages = self._screens.values()
            return sum(live_page.viewers for live_page in live_pages), sum(
                not live_page.over for live_page in live_pages
            )

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
            log_error("screen", error)
            with self._lock:
                self._screens.pop(job.id, None)
        finally:
            live_page.wake(over=True)

    def _is_forgotten(self, live_page: LivePage) -> bool:
        with self._lock:
            self._forget()
            return live_page not in self._screens.values()

    def _forget(self) -> None:
        """Drop the screens that nobody has watched for long, and those left longest when there are many."""
        left = sorted(
            (live_page.left_at, job_id) for job_id, live_page in self._screens.items() if live_page.viewers == 0
        )
        old = time.monotonic() - _LINGER_SECONDS
        for number, (left_at, job_id) in enumerate(reversed(left)):
            if left_at < old or number >= _MAX_LEFT:
                del self._screens[job_id]

"""The screens of this process: one for each job whose page is open, and for a while after the last viewer left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from jobs.protocol import events
from jobs.background import log_error
from jobs.job import Job
from jobs.storage.store import Store
from web.relay.follow import Relay
from web.live.live_page import Screen
from web.live.job_state import Standing

# A page that is loaded again, and a tab that is shown again, find it as they left it.
_LINGER_SECONDS = 60.0
_MAX_LEFT = 32


class Screens:
    """Finds a job's screen, or makes it."""

    def __init__(self, relay: Relay, store: Store) -> None:
        self._relay, self._store = relay, store
        self._screens: dict[str, Screen] = {}
        self._lock = threading.Lock()

    @contextmanager
    def watch(self, job: Job) -> Iterator[Screen]:
        """The job's screen, which is fed for as long as somebody watches it. Does not wait for anything."""
        with self._lock:
            self._forget()
            screen = self._screens.get(job.id)
            if screen is None:
                screen = self._screens[job.id] = Screen(partial(Standing.of, self._store, job.owner, job.id))
                threading.Thread(target=self._feed, args=[screen, job], name="screen", daemon=True).start()
            screen.viewers += 1
        try:
            yield screen
        finally:
            with self._lock:
                screen.viewers -= 1
                screen.left_at = time.monotonic()

    def viewers(self) -> tuple[int, int]:
        """How many watch, and how many screens are still fed."""
        with self._lock:
            screens = self._screens.values()
            return sum(screen.viewers for screen in screens), sum(not screen.over for screen in screens)

    def _feed(self, screen: Screen, job: Job) -> None:
        try:
            with closing(self._relay.follow(job)) as pieces:
                for piece in pieces:
                    for event in events.events_of(events.split(piece)):
                        screen.feed(event)
                    screen.wake()
                    if self._is_forgotten(screen):
                        break
        except Exception as error:  # noqa: BLE001  (its viewers come back, and find a new one)
            log_error("screen", error)
            with self._lock:
                self._screens.pop(job.id, None)
        finally:
            screen.wake(over=True)

    def _is_forgotten(self, screen: Screen) -> bool:
        with self._lock:
            self._forget()
            return screen not in self._screens.values()

    def _forget(self) -> None:
        """Drop the screens that nobody has watched for long, and those left longest when there are many."""
        left = sorted((screen.left_at, job_id) for job_id, screen in self._screens.items() if screen.viewers == 0)
        old = time.monotonic() - _LINGER_SECONDS
        for number, (left_at, job_id) in enumerate(reversed(left)):
            if left_at < old or number >= _MAX_LEFT:
                del self._screens[job_id]

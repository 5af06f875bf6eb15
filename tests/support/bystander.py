"""Somebody who wants nothing but an answer, while others ask for much."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen

from tests.support.stack import wait_for


class Bystander(threading.Thread):
    """Asks whether the server is alive, again and again, and notes the longest wait in seconds."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0
        self.answers = 0
        self._url = url
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.005):
            began = time.monotonic()
            with urlopen(f"{self._url}/healthz", timeout=60) as reply:
                reply.read()
            self.longest = max(self.longest, time.monotonic() - began)
            self.answers += 1

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Ask for as long as this lasts."""
        self.start()
        wait_for(lambda: self.answers > 0)
        self.longest = 0.0
        try:
            yield
        finally:
            self._over.set()
            self.join()

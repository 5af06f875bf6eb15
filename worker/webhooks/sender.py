"""Tells endpoints what they are to be told. Every worker does it; a hanging endpoint has a few threads to hang in."""

from __future__ import annotations

import threading
import time
from collections import Counter

from jobs.background import jittered, log_error, repeat
from jobs.storage.database import until_written
from jobs.storage.webhooks.deliveries import Attempt, Outcome, WebhookDeliveries
from jobs.webhooks.events import body_of
from jobs.webhooks.signature import signed_headers
from worker.webhooks.post import NotDelivered, post

_LOOK_SECONDS = 1.0
_FORGET_SECONDS = 600.0
# At once, in this process.
_MOST = 64
_MOST_OF_OWNER = 16
_MOST_OF_ENDPOINT = 4
# The database may be away when an attempt is over; later the claim runs out, and it is made again.
_SETTLE_SECONDS = 30.0


class WebhookSender:
    """The sending threads of a worker process."""

    def __init__(self, deliveries: WebhookDeliveries, *, allow_private: bool) -> None:
        self._deliveries = deliveries
        self._allow_private = allow_private
        self._lock = threading.Lock()
        self._owners: Counter[str] = Counter()
        self._endpoints: Counter[str] = Counter()
        self._forgets_at = time.monotonic()

    def start(self) -> None:
        """Begin to send."""
        repeat("webhooks", self._round)

    def _round(self) -> None:
        time.sleep(jittered(_LOOK_SECONDS))
        while self._has_room() and (attempt := self._deliveries.claim(self._busy())):
            self._count(attempt, 1)
            threading.Thread(target=self._send, args=[attempt], name="webhook", daemon=True).start()
        if time.monotonic() > self._forgets_at:
            self._deliveries.forget_old()
            self._forgets_at = time.monotonic() + _FORGET_SECONDS

    def _send(self, attempt: Attempt) -> None:
        try:
            outcome = self._posted(attempt)
            until_written(lambda: self._deliveries.settle(attempt, outcome), seconds=_SETTLE_SECONDS)
        except Exception as error:  # noqa: BLE001  (the claim runs out, and it is tried again)
            log_error("webhook", error)
        finally:
            self._count(attempt, -1)

    def _posted(self, attempt: Attempt) -> Outcome:
        body = body_of(attempt.id, attempt.event_type, attempt.created_at, attempt.object_id)
        signed = signed_headers(attempt.id, int(time.time()), body, attempt.secrets)
        headers = {"Content-Type": "application/json", "User-Agent": "Penstock", "Connection": "close", **signed}
        try:
            return Outcome(post(attempt.url, body, headers, allow_private=self._allow_private))
        except NotDelivered as error:
            return Outcome(problem=str(error))

    def _has_room(self) -> bool:
        with self._lock:
            return self._owners.total() < _MOST

    def _busy(self) -> set[str]:
        """The owners and the endpoints that have as many attempts under way as they may."""
        with self._lock:
            owners = {owner for owner, count in self._owners.items() if count >= _MOST_OF_OWNER}
            return owners | {each for each, count in self._endpoints.items() if count >= _MOST_OF_ENDPOINT}

    def _count(self, attempt: Attempt, change: int) -> None:
        with self._lock:
            self._owners[attempt.owner] += change
            self._endpoints[attempt.endpoint_id] += change
            self._owners += Counter()  # leaves out those at zero
            self._endpoints += Counter()

"""One Redis subscription for all viewers of this process, and the clock that looks after silent jobs.

The channel carries, the log remembers: whenever a message may have been missed, topics are told to look
again, so a lost message costs milliseconds, never text.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis

from jobs.background import Repetition, repeat
from jobs.storage.store import Store
from jobs.transport.event_log import EventLog, channel
from web.relay.broadcast import Broadcast
from web.relay.topic import Topic

_NUDGE_SECONDS = 2.0
_SILENCE_SECONDS = 2.0
_PING_SECONDS = 5.0
_RECONNECT_SECONDS = 0.5


class Subscriber:
    """Follows the channels of all topics that have viewers."""

    def __init__(
        self, client: redis.Redis, log: EventLog, store: Store, observe_lag: Callable[[float], object] = lambda _: None
    ) -> None:
        """`client` gives its connection settings only: RESP2, and a read timeout above the ping interval.

        `observe_lag` is a topic's.
        """
        self._observe_lag = observe_lag
        self._broadcast = Broadcast()
        self._pool = client.connection_pool
        self._log = log
        self._store = store
        self._topics: dict[bytes, Topic] = {}
        self._connection: Any = None
        self._away_since: float | None = time.monotonic()
        self._lock = threading.Lock()
        # The garbage collector may close a viewer's generator inside any call, one that holds the lock too: leaving
        # takes no lock, and the topic is looked after by the next call that has it.
        self._left: deque[Topic] = deque()
        self._pinged_at = time.monotonic()

    def start(self) -> list[Repetition]:
        """Begin to follow, in three threads: no heartbeat waits for the database. The two that always come round."""
        repeat("subscriber", self._subscribe, pause=_RECONNECT_SECONDS)
        return [repeat("relay heartbeat", self._nudge), repeat("relay watch", self._watch_silence)]

    @contextmanager
    def topic(self, job_id: str) -> Iterator[Topic]:
        """The job's topic, followed for as long as somebody looks at it. Does not wait for Redis."""
        name = channel(job_id).encode()
        with self._lock:
            self._drop_left()
            topic = self._topics.get(name)
            if topic is None:
                topic = self._topics[name] = Topic(job_id, self._observe_lag)
                self._send("SUBSCRIBE", name)
            topic.viewers += 1
        try:
            yield topic
        finally:
            self._left.append(topic)

    def seconds_away(self) -> float:
        """For how long Redis has not been reached; 0 while it is."""
        since = self._away_since
        return 0.0 if since is None else time.monotonic() - since

    def viewers(self) -> int:
        """How many viewers all topics have."""
        with self._lock:
            self._drop_left()
            return sum(topic.viewers for topic in self._topics.values())

    def slow_viewers(self, seconds: float) -> int:
        """How many have not taken within so many seconds what was written to their sockets."""
        with self._lock:
            topics = list(self._topics.values())
        latest = time.monotonic() - seconds
        return sum(topic.full_since(latest) for topic in topics)

    def _drop_left(self) -> None:
        """Count out the viewers that have left. The lock is held."""
        while self._left:
            topic = self._left.popleft()
            topic.viewers -= 1
            if topic.viewers == 0:
                name = channel(topic.job_id).encode()
                del self._topics[name]
                self._send("UNSUBSCRIBE", name)

    def _send(self, *command: Any) -> None:
        # The reader finds a connection that breaks here, and subscribes to everything again.
        if self._connection is not None:
            with suppress(redis.RedisError, OSError):
                self._connection.send_command(*command)

    def _subscribe(self) -> None:
        """Follow every topic until the connection breaks."""
        # The pool would count this connection for ever, and refuse to make another after a hundred.
        connection: Any = self._pool.connection_class(**self._pool.connection_kwargs)
        try:
            connection.connect()
            with self._lock:
                self._connection, self._away_since = connection, None
                for name in self._topics:
                    connection.send_command("SUBSCRIBE", name)
            self._receive(connection)
        finally:
            with self._lock:
                self._connection, self._away_since = None, self._away_since or time.monotonic()
            connection.disconnect()

    def _receive(self, connection: Any) -> None:
        while True:
            kind, name, *rest = connection.read_response(disable_decoding=True)
            topic = self._topics.get(name)
            if topic is None:
                continue
            if kind == b"message" and rest[0]:
                first, _, frames = rest[0].partition(b"\n")
                topic.add(int(first), frames)
                if topic.sockets:
                    self._broadcast.schedule(topic)
            elif kind in (b"message", b"subscribe"):
                # Messages before the confirmation were not delivered to this connection.
                topic.request_rescan()

    def _nudge(self) -> None:
        """Wake every viewer, so that it can send a heartbeat, or read a log that Redis did not give before."""
        time.sleep(_NUDGE_SECONDS)
        with self._lock:
            self._drop_left()
            topics = list(self._topics.values())
        for topic in topics:
            topic.nudge()

    def _watch_silence(self) -> None:
        time.sleep(_SILENCE_SECONDS / 2)
        now = time.monotonic()
        with self._lock:
            self._drop_left()
            silent = [topic for topic in self._topics.values() if now - topic.heard_at >= _SILENCE_SECONDS]
            if now - self._pinged_at >= _PING_SECONDS:
                self._pinged_at = now
                self._send("PING")
        if silent:
            self._check(silent)

    def _check(self, silent: list[Topic]) -> None:
        """Ask the log, then the rows, about all silent jobs at once."""
        job_ids = [topic.job_id for topic in silent]
        with suppress(redis.RedisError, OSError):
            for topic, tail in zip(silent, self._log.tails(job_ids), strict=True):
                if tail > topic.tail:
                    topic.tail = tail
                    topic.request_rescan()
        statuses = self._store.statuses(job_ids)
        for topic in silent:
            topic.heard_at = time.monotonic()
            status = statuses.get(topic.job_id)
            if status is None or status.is_terminal:
                topic.end()

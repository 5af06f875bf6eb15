"""Follows a job for one viewer: the same bytes from any cursor on, once, in order, until the end.

Two sources only: a message that continues where the viewer is, or the log in the log's own order. A gap in
the channel is filled from the log; a gap in the log is a fact.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import suppress

import redis

from jobs.job import Job
from jobs.protocol import events, transcript
from jobs.storage.store import Store
from jobs.transport.event_log import EventLog
from web.relay.batch import Batch
from web.relay.sse import HEARTBEAT_SECONDS
from web.relay.subscriber import Subscriber
from web.relay.topic import Topic
from web.relay.viewer_socket import ViewerSocket


class Relay:
    """The followers of one web process."""

    def __init__(self, subscriber: Subscriber, log: EventLog, store: Store) -> None:
        self._subscriber = subscriber
        self._log = log
        self._store = store

    def follow(self, job: Job, after: int = -1, viewer: ViewerSocket | None = None) -> Generator[bytes, None, None]:
        """Joined frames numbered above `after`, as they come; b"" when there were none for a while.

        A `viewer` is the socket behind these pieces, to which the frames in between may be written without them.
        Ends behind the job's last frame, or when the job is deleted. Once the first piece is there, the
        subscription is on its way; closing the iterator ends it. Raises OSError when the viewer has left.
        """
        # Of the job only what is needed: a viewer may stay for hours.
        if job.status.is_terminal:
            return self._replay(job.id, after)
        return self._subscribed(job.id, Batch(0, 1, job.initial_frames).after(after), after, viewer)

    def viewers(self) -> int:
        """How many follow a job that runs."""
        return self._subscriber.viewers()

    def _subscribed(
        self, job_id: str, begin: bytes, after: int, viewer: ViewerSocket | None
    ) -> Generator[bytes, None, None]:
        with self._subscriber.topic(job_id) as topic:
            if begin:
                yield begin
            del begin
            yield from self._live(job_id, topic, max(after, 1), viewer)

    def _replay(self, job_id: str, after: int) -> Generator[bytes, None, None]:
        """The rest of an ended job, from the database; nothing when it was deleted."""
        packed = self._store.transcript(job_id)
        if packed is not None:
            for page in transcript.read(packed, after):
                yield b"".join(page)

    def _live(self, job_id: str, topic: Topic, cursor: int, viewer: ViewerSocket | None) -> Iterator[bytes]:
        scanned = -1
        sent_at = time.monotonic()
        while True:
            # Read before the frames: a change that comes after this line ends the wait below at once.
            version, over, rescans = topic.version, topic.over, topic.rescans
            with suppress(redis.RedisError):  # the next wake-up, two seconds away at most, reads the log again
                for batch in self._news(topic, cursor, scan=rescans != scanned):
                    yield batch.frames
                    cursor = batch.last
                    sent_at = topic.written(batch)
                    if events.is_terminal(batch.frames):
                        return
                    del batch  # or a waiting viewer keeps it
                scanned = rescans
            if over:
                yield from self._replay(job_id, cursor)
                return
            if time.monotonic() - sent_at >= HEARTBEAT_SECONDS:
                yield b""
                sent_at = time.monotonic()
            if viewer is None or scanned != rescans:
                topic.wait(version)
                continue
            viewer.cursor, viewer.sent_at = cursor, sent_at
            topic.wait(version, viewer)
            cursor, sent_at = viewer.cursor, viewer.sent_at

    def _news(self, topic: Topic, cursor: int, *, scan: bool) -> Iterator[Batch]:
        """What follows `cursor` now: from the buffer, then from the log if some may be missing. Raises RedisError."""
        batch = topic.after(cursor)  # invariant 2
        if batch is not None:
            yield batch
            cursor = batch.last
        if scan or topic.has_passed(cursor):
            yield from topic.log_pages.read(self._log, cursor)

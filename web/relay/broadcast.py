"""Writes what is new in a topic to all sockets that wait for it: framed once, with one call for each."""

from __future__ import annotations

import time

from gevent import get_hub

from jobs.background import log_error
from jobs.protocol import events
from web.relay.topic import Topic
from web.relay.viewer_socket import Framing, chunk


class Broadcast:
    """The topics of this process whose sockets are due.

    They are written to when the subscriber waits for more: messages that came together go out together.
    """

    def __init__(self) -> None:
        self._due: set[Topic] = set()

    def schedule(self, topic: Topic) -> None:
        """Write what the topic has now, in this turn of the event loop."""
        if not self._due:
            get_hub().loop.run_callback(self._write_all)
        self._due.add(topic)

    def _write_all(self) -> None:
        due, self._due = self._due, set()
        for topic in due:
            try:
                _write(topic, time.monotonic())
            except Exception as error:  # noqa: BLE001  (one job's trouble; its viewers meet it in their own greenlets)
                log_error("broadcast", error)
                topic.request_rescan()


def _write(topic: Topic, now: float) -> None:
    """Bring the sockets of a topic to its newest frame; whom the buffer cannot bring there looks for itself."""
    chunks: dict[tuple[int, Framing], tuple[bytes, int] | None] = {}
    for viewer in [viewer for viewer in topic.sockets if not viewer.is_full]:
        key = viewer.cursor, viewer.framing
        if key not in chunks:
            chunks[key] = _news(topic, *key)
        if news := chunks[key]:
            viewer.write(*news, now)
        else:
            viewer.wake()


def _news(topic: Topic, cursor: int, framing: Framing) -> tuple[bytes, int] | None:
    """What follows `cursor`, as a chunk, and the number of its last frame; None for the end of a stream."""
    batch = topic.after(cursor)  # invariant 2
    if batch is None or events.is_terminal(batch.frames):
        return None
    topic.written(batch)
    return chunk(framing(batch.frames)), batch.last

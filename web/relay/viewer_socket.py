"""A viewer's socket, written to while its greenlet sleeps: nobody is woken for each viewer and message.

Only with gunicorn's gevent worker and HTTP/1.1, whose chunks are made here; all other viewers are woken. What a full
connection does not take is left to the greenlet, which then waits for that viewer alone.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

import gevent.event
import gevent.socket
from gevent import get_hub

from web.relay.disconnect import has_left
from web.relay.sse import HEARTBEAT_SECONDS, PING

# Turns joined frames into what a viewer reads.
Framing = Callable[[bytes], bytes]

_READ = 1


def chunk(data: bytes) -> bytes:
    """Bytes as one chunk of an HTTP/1.1 body."""
    return b"%X\r\n%b\r\n" % (len(data), data)


_BEAT = chunk(PING)


class ViewerSocket:
    """One viewer's connection, and what it has been sent.

    `cursor` is the number of the last frame, `sent_at` the monotonic time of the last byte, that was written.
    """

    def __init__(self, connection: socket.socket, framing: Framing) -> None:
        self.framing = framing
        self.cursor = -1
        self.sent_at = 0.0
        self._connection = connection
        self._file = connection.fileno()
        self._rest = b""
        self._woken = gevent.event.Event()

    @classmethod
    def of(cls, environ: Mapping[str, Any], framing: Framing) -> ViewerSocket | None:
        """The socket behind a request; None where only the server can write to it."""
        plain = getattr(environ.get("gunicorn.socket"), "plain", None)  # which our gevent worker hands over
        if type(plain) is not gevent.socket.socket or environ["SERVER_PROTOCOL"] != "HTTP/1.1":  # TLS has another type
            return None
        return cls(plain, framing)

    @property
    def is_full(self) -> bool:
        """Whether its greenlet has something to write before anything else."""
        return bool(self._rest)

    def write(self, chunk: bytes, last: int, now: float) -> None:
        """Write what brings the viewer to number `last`, as far as that needs no waiting; `now` is monotonic."""
        try:
            taken = os.write(self._file, chunk)
        except OSError:  # full, or broken: the greenlet meets the same error, where it ends the stream
            taken = 0
        self.cursor, self.sent_at = last, now
        if taken < len(chunk):
            self._rest = chunk[taken:]
            self.wake()

    def beat(self, now: float) -> None:
        """Show a viewer to whom nothing was sent for a while that the connection lives."""
        if now - self.sent_at >= HEARTBEAT_SECONDS and not self._rest:
            self.write(_BEAT, self.cursor, now)

    def wake(self) -> None:
        """Let the greenlet see for itself."""
        self._woken.set()

    def sleep(self) -> None:
        """Wait for `wake`, then write what the connection has not taken. Raises OSError when the viewer has left."""
        self._woken.clear()
        watcher = get_hub().loop.io(self._file, _READ)
        watcher.start(self._look, watcher)
        try:
            self._woken.wait()
        finally:
            watcher.close()
        if has_left(self._connection):
            raise ConnectionResetError(errno.ECONNRESET, "the viewer has left")
        self._connection.sendall(self._rest)
        self._rest = b""

    def _look(self, watcher: Any) -> None:
        """There is something to read: the end of the connection, or a next request, which has to wait."""
        watcher.stop()
        if has_left(self._connection):
            self.wake()

"""The streams that this process writes for keys: revoking a key, or ending its session, ends them too."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from jobs.background import repeat

_LOOK_SECONDS = 1.0

# Tells whether whoever opened a stream may still read it.
Permission = Callable[[], object]


class OpenStreams:
    """Asks every second whether each stream may go on, and shuts the connection of one that may not."""

    def __init__(self) -> None:
        self._streams: dict[int, tuple[socket.socket, str]] = {}
        self._permissions: dict[str, Permission] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to ask."""
        repeat("open streams", self._look, pause=0)

    def add(self, connection: socket.socket, credential: str, permission: Permission) -> Callable[[], None]:
        """A stream begins, opened with a credential; what is returned has to be called when it is over."""
        stream = id(connection)
        with self._lock:
            self._streams[stream] = (connection, credential)
            self._permissions[credential] = permission
        return lambda: self._remove(stream)

    def _remove(self, stream: int) -> None:
        with self._lock:
            _, credential = self._streams.pop(stream, (None, ""))
            if all(other != credential for _, other in self._streams.values()):
                self._permissions.pop(credential, None)

    def _look(self) -> None:
        time.sleep(_LOOK_SECONDS)
        with self._lock:
            permissions = dict(self._permissions)
        refused = {credential for credential, permission in permissions.items() if not permission()}
        with self._lock:
            connections = [connection for connection, credential in self._streams.values() if credential in refused]
        for connection in connections:
            with suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)

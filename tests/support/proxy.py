"""A TCP proxy between two parts of a Penstock, whose traffic a test stalls, cuts or lets vanish."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

Target = tuple[str, int] | Path


class Proxy:
    """Passes each connection to a free port on to `target`: a host and port, or a unix socket.

    As a context: it runs until the end of the block. Without a target it closes connections at once.
    """

    def __init__(self, target: Target | None = None) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._flowing = threading.Event()
        self._flowing.set()
        self._links: list[_Link] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="proxy")

    @property
    def address(self) -> str:
        """Host and port as in a URL."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def stall(self) -> None:
        """Hold back all that is sent until `flow`; new connections are taken."""
        self._flowing.clear()

    def flow(self) -> None:
        """Send on what was held back, and everything that comes."""
        self._flowing.set()

    def cut(self) -> None:
        """End all connections of this moment."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.close()

    def swallow(self) -> None:
        """All that is sent over the connections of this moment vanishes, their ends too: each is half open."""
        with self._lock:
            for link in self._links:
                link.swallows = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self.flow()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # the end of the block
            try:
                far = _connect(self.target)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._links.append(_Link(near, far, self._flowing))


class _Link:
    """One connection: a thread for each direction."""

    def __init__(self, near: socket.socket, far: socket.socket, flowing: threading.Event) -> None:
        self.swallows = False
        self._ends = (near, far)
        self._flowing = flowing
        directions = ((near, far), (far, near))
        self._threads = [threading.Thread(target=self._carry, args=ends, name="proxy link") for ends in directions]
        for thread in self._threads:
            thread.start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # cut, or left by one side
            while data := source.recv(1 << 16):
                self._flowing.wait()
                if not self.swallows:
                    sink.sendall(data)
            if not self.swallows:
                sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End both connections, and with them the threads."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()


def _connect(target: Target | None) -> socket.socket:
    if target is None:
        raise ConnectionRefusedError
    if not isinstance(target, Path):
        return socket.create_connection(target)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(target))
    except OSError:
        connection.close()
        raise
    return connection

"""A Redis in Python, for a machine without a Redis server. What it holds is lost when its process ends."""

from __future__ import annotations

import socket
import sys

from fakeredis import TcpFakeServer


def serve(fd: int) -> None:
    """Serve the Redis protocol on an inherited socket, bound and listening, until killed."""
    listening = socket.socket(fileno=fd)
    server = TcpFakeServer(listening.getsockname(), bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))

"""The last rung: a Redis in Python, in a process of its own. Nothing that it holds outlives it."""

from __future__ import annotations

import socket

import click
from fakeredis import TcpFakeServer


@click.command()
@click.option("--fd", type=int, required=True, help="An inherited socket, bound and listening.")
def serve(fd: int) -> None:
    """Serve the Redis protocol on an inherited socket until killed."""
    listening = socket.socket(fileno=fd)
    server = TcpFakeServer(listening.getsockname(), bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.serve_forever()


if __name__ == "__main__":
    serve()

"""`python -m demo_model`: start the server; print its base URL and nothing else, when it listens."""

from __future__ import annotations

import argparse
import asyncio
import functools
import socket

from demo_model.server import run


def main() -> None:
    """Parse the command line and serve until a signal ends it."""
    parser = argparse.ArgumentParser(
        prog="python -m demo_model", description="An OpenAI-compatible demo server."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--fd", type=int, help="descriptor of a bound socket to listen on instead")
    options = parser.parse_args()
    where = f"{options.host}:{options.port}" if options.fd is None else f"descriptor {options.fd}"
    try:
        sock = (
            socket.socket(fileno=options.fd) if options.fd is not None else _bind(options.host, options.port)
        )
    except (OSError, OverflowError, ValueError) as error:
        parser.error(f"cannot listen on {where}: {error}")
    asyncio.run(run(sock, functools.partial(print, flush=True)))


def _bind(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock


if __name__ == "__main__":
    main()

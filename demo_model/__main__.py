"""`python -m demo_model`: start the server; print its base URL and nothing else, when it listens."""

from __future__ import annotations

import argparse
import asyncio
import functools
import socket

from demo_model.server import run


def main() -> None:
    """Parse the command line and serve until a signal ends it."""
    parser = argparse.ArgumentParser(description="An OpenAI-compatible model server without a model.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--fd", type=int, help="descriptor of a bound socket to listen on instead")
    options = parser.parse_args()
    where = f"{options.host}:{options.port}" if options.fd is None else f"descriptor {options.fd}"
    try:
        if options.fd is None:
            sock = socket.create_server((options.host, options.port))
        else:
            sock = socket.socket(fileno=options.fd)
    except (OSError, OverflowError) as error:
        parser.error(f"cannot listen on {where}: {error}")
    asyncio.run(run(sock, functools.partial(print, flush=True)))


if __name__ == "__main__":
    main()

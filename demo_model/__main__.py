"""`python -m demo_model`: start the server; print its base URL and nothing else, when it listens."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket

from demo_model.server import Server


def main() -> None:
    """Parse the command line and serve until a signal ends it."""
    parser = argparse.ArgumentParser(description="An OpenAI-compatible model server without a model.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--fd", type=int, help="descriptor of a bound socket to listen on instead")
    options = parser.parse_args()
    address, fd = (options.host, options.port), options.fd
    try:
        sock = socket.create_server(address) if fd is None else socket.socket(fileno=fd)
    except (OSError, OverflowError) as error:
        parser.error(f"cannot listen on {address if fd is None else fd}: {error}")
    asyncio.run(serve(sock))


async def serve(sock: socket.socket) -> None:
    """Serve on a bound socket until SIGTERM or SIGINT."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await asyncio.start_server(Server().serve, sock=sock, backlog=1024)
    host, port = sock.getsockname()
    print(f"http://{host}:{port}/v1", flush=True)
    await stopped.wait()


if __name__ == "__main__":
    main()

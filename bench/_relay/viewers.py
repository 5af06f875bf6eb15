"""Many viewers in one process: they connect, then count stamped events and how late each came.

`python -m bench._relay.viewers ADDRESS PATH_FILE SECONDS`: prints one line of JSON when all are connected, another when
the events of so many seconds have come.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from pathlib import Path
from statistics import quantiles

# Events that end a text repeat it: only what is new counts.
_DELTA = re.compile(rb'"delta":"([^"]*)"')
_STAMP = re.compile(rb"@(\d+)@")
_QUIET_SECONDS = 1.0


def main(address: str, path_file: str, seconds: float) -> None:
    """Watch each path of the file with a connection of its own."""
    host, _, port = address.rpartition(":")
    poll = select.epoll()
    viewers: dict[int, socket.socket] = {}
    began = time.monotonic()
    for path in Path(path_file).read_text().split():
        viewer = socket.create_connection((host, int(port)))
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n"
        viewer.sendall(request.encode())
        viewer.settimeout(0)
        poll.register(viewer, select.EPOLLIN)
        viewers[viewer.fileno()] = viewer
    silent = set(viewers)
    while silent:
        for number, _ in poll.poll(30):
            viewers[number].recv(1 << 16)
            silent.discard(number)
    print(json.dumps({"connect": time.monotonic() - began}), flush=True)
    print(json.dumps(_watch(poll, viewers, seconds)), flush=True)


def _watch(poll: select.epoll, viewers: dict[int, socket.socket], seconds: float) -> dict[str, float]:
    """Milliseconds of lag at the 50th and 99th percentile, events, and the share of a core that counting took."""
    lags: list[int] = []
    first = 0.0
    spent = time.process_time()
    while not first or time.monotonic() < first + seconds + _QUIET_SECONDS:
        for number, _ in poll.poll(_QUIET_SECONDS):
            data = viewers[number].recv(1 << 18)
            now = time.monotonic_ns() // 1000
            lags += [now - int(stamp) for delta in _DELTA.findall(data) for stamp in _STAMP.findall(delta)]
        if lags and not first:
            first = time.monotonic()
    cuts = quantiles(lags, n=100)
    share = (time.process_time() - spent) / (seconds + _QUIET_SECONDS)
    return {"events": len(lags), "p50": cuts[49] / 1000, "p99": cuts[98] / 1000, "share": share}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))

"""Many viewers who come late, at once, to a job that is being written: seconds until each has all that there is.

Every viewer's text is compared with the log: nothing is lost, nothing comes twice.
"""

from __future__ import annotations

import select
import socket
import tempfile
import time
from pathlib import Path

from bench._relay.publishers import frame
from bench._results.results import Results, parsed
from jobs.protocol import events
from jobs.transport.event_log import Append, EventLog
from tests.support.job_factory import JobFactory
from tests.support.stack import Stack, running_stack
from web.auth import LOCAL_OWNER

_TIMES = 3
_AT_MOST_SECONDS = 30


def _written(stack: Stack, count: int) -> tuple[str, bytes]:
    """A job that runs, and its `count` events."""
    job_factory = JobFactory(stack.database)
    job = job_factory.claim(job_factory.accept(LOCAL_OWNER)).job
    log = EventLog(stack.redis)
    log.take(job.id, 1)
    first = len(events.split(job.initial_frames))
    frames = [frame(number) for number in range(first, count)]
    log.append([Append(job.id, 1, 0, 0, [*events.split(job.initial_frames), *frames])])
    return job.id, b"".join(frames)


def _join(url: str, job: str, wanted: bytes, viewers: int) -> float:
    """Seconds until all have it. Fails when one has something else."""
    host, _, port = url.removeprefix("http://").partition(":")
    request = f"GET /v1/responses/{job}?stream=true HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    poll, connections, received = select.epoll(), dict[int, socket.socket](), dict[int, bytearray]()
    began = time.monotonic()
    for _ in range(viewers):
        connection = socket.create_connection((host, int(port)))
        connection.sendall(request)
        connection.settimeout(0)
        poll.register(connection, select.EPOLLIN)
        connections[connection.fileno()] = connection
        received[connection.fileno()] = bytearray()
    waiting, end = set(connections), wanted[-100:] + b"\r\n"
    while waiting and time.monotonic() < began + _AT_MOST_SECONDS:
        for number, _ in poll.poll(1):
            received[number] += connections[number].recv(1 << 20)
            if received[number].endswith(end):
                waiting.discard(number)
    seconds = time.monotonic() - began
    for number, connection in connections.items():
        connection.close()
        assert _body(bytes(received[number])).endswith(wanted), "a viewer has something else than the log"
    return seconds


def _body(answer: bytes) -> bytes:
    """What is in the chunks of an HTTP response that has not ended."""
    rest, pieces = answer.partition(b"\r\n\r\n")[2], list[bytes]()
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        pieces.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(pieces)


def _measure(results: Results, viewers: int, count: int) -> None:
    with tempfile.TemporaryDirectory() as place, running_stack(Path(place) / "data", workers=0) as stack:
        job, wanted = _written(stack, count)
        _join(stack.url, job, wanted, 1)
        runs = [_join(stack.url, job, wanted, viewers) for _ in range(_TIMES)]
    results.add(f"{viewers:,} viewers, {count:,} events", "all have all after", "s", *runs)


def main() -> None:
    """Let so many join a job with so many events."""
    arguments, results = parsed("late_viewers", __doc__, viewers=1000, events=2000)
    _measure(results, arguments.viewers, arguments.events)


if __name__ == "__main__":
    main()

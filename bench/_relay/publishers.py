"""Publishers of stamped events at a set rate: into our log as a worker does, to nchan, and to channels of Redis."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence

import orjson
import redis

from jobs.protocol import events
from jobs.transport.event_log import Append, EventLog

_TICK_SECONDS = 0.005
_BYTES = 270

# Publishes event `number` to each of these channels.
Publish = Callable[[Sequence[tuple[int, int]]], None]


def publish(channels: int, rate: float, seconds: float, send: Publish) -> int:
    """Send `rate` events a second, evenly over all channels; how many it were. Each channel's begin at 2."""
    numbers = [1] * channels
    sent = 0
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        due = int(elapsed * rate) - sent
        batch = []
        for position in range(sent, sent + due):
            channel = position % channels
            numbers[channel] += 1
            batch.append((channel, numbers[channel]))
        if batch:
            send(batch)
        sent += due
        time.sleep(_TICK_SECONDS)
    return sent


def frame(number: int) -> bytes:
    """An event of the usual size, with the time at which it was made."""
    fields = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
    delta = f"@{time.monotonic_ns() // 1000}@"
    bare = len(events.frame(events.TEXT_DELTA, number, {**fields, "delta": delta}))
    return events.frame(events.TEXT_DELTA, number, {**fields, "delta": delta.ljust(len(delta) + _BYTES - bare, "x")})


def to_log(log: EventLog, job_ids: Sequence[str]) -> Publish:
    """As a worker's publisher: one round trip for all, one append for each job."""

    def send(batch: Sequence[tuple[int, int]]) -> None:
        runs: dict[int, list[int]] = {}
        for channel, number in batch:
            runs.setdefault(channel, []).append(number)
        log.append(
            [
                Append(job_ids[channel], 1, numbers[0] - 2, numbers[0], [frame(number) for number in numbers])
                for channel, numbers in runs.items()
            ]
        )

    return send


def to_nchan(address: tuple[str, int], paths: Sequence[str]) -> Publish:
    """By POST over one connection that stays open."""
    connection = socket.create_connection(address)

    def send(batch: Sequence[tuple[int, int]]) -> None:
        requests = []
        for channel, number in batch:
            body = frame(number).partition(b"data: ")[2].rstrip()
            head = f"POST {paths[channel]} HTTP/1.1\r\nHost: nchan\r\nContent-Length: {len(body)}\r\n\r\n"
            requests.append(head.encode() + body)
        connection.sendall(b"".join(requests))
        answered = 0
        while answered < len(requests):
            answered += connection.recv(1 << 18).count(b"HTTP/1.1 ")

    return send


def to_starlette(redis_url: str, channels: Sequence[str]) -> Publish:
    """Whole frames, to channels of Redis."""
    return _to_redis(redis_url, channels, lambda frame: frame)


def to_flask_sse(redis_url: str, channels: Sequence[str]) -> Publish:
    """What flask-sse makes frames of, to channels of Redis."""

    def message(frame: bytes) -> bytes:
        kind, _, data = frame.decode().rstrip().partition("\ndata: ")
        return orjson.dumps({"type": kind.removeprefix("event: "), "data": data})

    return _to_redis(redis_url, channels, message)


def _to_redis(redis_url: str, channels: Sequence[str], encode: Callable[[bytes], bytes]) -> Publish:
    client = redis.Redis.from_url(redis_url)

    def send(batch: Sequence[tuple[int, int]]) -> None:
        with client.pipeline(transaction=False) as pipeline:
            for channel, number in batch:
                pipeline.publish(channels[channel], encode(frame(number)))
            pipeline.execute()

    return send

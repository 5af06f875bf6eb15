"""The subscription of a web process: made again whenever it breaks, and what it makes viewers look at."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs.storage.store import Store
from jobs.transport.event_log import Append, EventLog
from tests.support.job_factory import JobFactory, sqlite
from tests.support.redis_server import RedisServer
from tests.support.stack import wait_for
from web.relay.follow import Relay
from web.relay.subscriber import Subscriber


@pytest.fixture
def subscriber(redis_server: RedisServer, log: EventLog, job_factory: JobFactory) -> Iterator[Subscriber]:
    """One that has not been started: a test takes its steps."""
    with redis.Redis.from_url(redis_server.url, protocol=2) as client:
        yield Subscriber(client, log, job_factory.store)


class Confirmation:
    """A connection on which a subscription is confirmed, and then a message comes; then it breaks."""

    def __init__(self, *replies: list[Any]) -> None:
        self._replies = list(replies)

    def read_response(self, *, disable_decoding: bool) -> list[Any]:
        if not self._replies:
            raise redis.ConnectionError
        return self._replies.pop(0)


def test_a_subscription_is_tried_again_as_often_as_it_fails(tmp_path: Path) -> None:
    client = redis.Redis.from_url(f"unix://{tmp_path}/nobody.sock", protocol=2, max_connections=2)
    subscriber = Subscriber(client, EventLog(client), Store(sqlite(tmp_path)))
    for _ in range(5):
        with pytest.raises(redis.ConnectionError, match="No such file"):
            subscriber._subscribe()


@pytest.mark.parametrize(
    ("reply", "rescans"), [((b"subscribe", 1), 1), ((b"message", b""), 1), ((b"unsubscribe", 0), 0)]
)
def test_what_makes_viewers_read_the_log(subscriber: Subscriber, reply: tuple[bytes, Any], rescans: int) -> None:
    with subscriber.topic("resp_a") as topic:
        name = b"penstock:{resp_a}"
        with pytest.raises(redis.ConnectionError):
            subscriber._receive(Confirmation([reply[0], name, reply[1]]))
        assert topic.rescans == rescans


def test_a_log_that_is_ahead_of_the_channel_is_read(
    subscriber: Subscriber, log: EventLog, job_factory: JobFactory
) -> None:
    job = job_factory.claim(job_factory.accept()).job
    frames = [b"data: %d\n\n" % number for number in range(4)]
    log.take(job.id, 1)
    log.append([Append(job.id, 1, 0, 0, frames)])
    with subscriber.topic(job.id) as topic:
        subscriber._check([topic])
        assert (topic.rescans, topic.tail, topic.over) == (1, 3, False)
        subscriber._check([topic])
        assert topic.rescans == 1


def test_heartbeats_wait_for_no_database(subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.relay.subscriber._NUDGE_SECONDS", 0.01)
    with subscriber.topic("resp_silent") as topic:
        version = topic.version
        subscriber._nudge()
        assert topic.version == version + 1


def test_a_log_that_could_not_be_read_is_read_again(tmp_path: Path, job_factory: JobFactory) -> None:
    job = job_factory.claim(job_factory.accept()).job
    with RedisServer(tmp_path) as server, redis.Redis.from_url(server.url, protocol=2) as client:
        log = EventLog(client)
        subscriber = Subscriber(client, log, job_factory.store)
        frames = [b"event: x\ndata: %d\n\n" % number for number in range(4)]
        log.take(job.id, 1)
        log.append([Append(job.id, 1, 0, 0, frames)])
        server.stop()
        viewer = Viewer(Relay(subscriber, log, job_factory.store).follow(job, after=1))
        wait_for(subscriber.viewers)
        server.start()
        topic = next(iter(subscriber._topics.values()))

        def nudged() -> list[bytes]:
            topic.nudge()  # as the heartbeat thread does every two seconds
            return viewer.pieces

        wait_for(nudged)
        assert viewer.pieces == [b"".join(frames[2:])]
        topic.end()
        viewer.join(10)
        assert not viewer.is_alive()


class Viewer(threading.Thread):
    """Somebody who reads a stream to its end."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        super().__init__(daemon=True)
        self.pieces: list[bytes] = []
        self._stream = stream
        self.start()

    def run(self) -> None:
        for piece in self._stream:
            self.pieces.append(piece)


def test_a_viewer_collected_while_the_lock_is_held_stops_nobody(
    subscriber: Subscriber, job_factory: JobFactory
) -> None:
    job = job_factory.claim(job_factory.accept()).job
    stream = Relay(subscriber, subscriber._log, job_factory.store).follow(job)
    next(stream)
    cycle: list[Any] = [stream]
    cycle.append(cycle)  # nothing but the garbage collector frees it
    del stream, cycle

    def collect() -> None:
        with subscriber._lock:
            gc.collect()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert subscriber.viewers() == 0

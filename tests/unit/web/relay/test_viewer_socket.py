"""What is written to the socket of a viewer whose greenlet sleeps, and when that one wakes."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import gevent.socket
import pytest

from jobs.protocol import events
from web.relay.broadcast import Broadcast
from web.relay.sse import HEARTBEAT_SECONDS, with_ids, without_ids
from web.relay.topic import Topic
from web.relay.viewer_socket import ViewerSocket, chunk

FIRST, SECOND = (events.frame(events.TEXT_DELTA, number, {"delta": "words"}) for number in (2, 3))
LAST = events.frame(events.COMPLETED, 4, {"response": {}})


class Viewer:
    """A connection of which one end is watched by a sleeping greenlet, and the other is a client's."""

    def __init__(self, topic: Topic, *, ids: bool = False) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = gevent.socket.create_connection(listener.getsockname(), timeout=20)
            accepted, _ = listener.accept()
        self.server = gevent.socket.socket(fileno=accepted.detach())
        self.socket = ViewerSocket(self.server, with_ids if ids else without_ids)
        self.socket.cursor = 1
        self.greenlet = gevent.spawn(topic.wait, topic.version, self.socket)
        gevent.sleep(0)
        assert self.socket in topic.sockets

    def read(self, count: int) -> bytes:
        """The next so many bytes that the client gets."""
        data = b""
        while len(data) < count and (piece := self.client.recv(count - len(data))):
            data += piece
        return data

    def close(self) -> None:
        self.greenlet.kill()
        self.client.close()
        self.server.close()


@pytest.fixture
def topic() -> Topic:
    return Topic("resp_1")


@pytest.fixture
def viewer(topic: Topic) -> Iterator[Viewer]:
    viewer = Viewer(topic)
    yield viewer
    viewer.close()


def add(topic: Topic, first: int, frames: bytes) -> None:
    """A message from the channel, and the turn of the event loop in which it is sent on."""
    topic.add(first, frames)
    Broadcast().schedule(topic)
    gevent.sleep(0)


def test_news_are_written_and_nobody_wakes(topic: Topic, viewer: Viewer) -> None:
    add(topic, 2, FIRST)
    add(topic, 3, SECOND)
    expected = chunk(FIRST) + chunk(SECOND)
    assert viewer.read(len(expected)) == expected
    assert viewer.socket.cursor == 3
    assert not viewer.greenlet.ready()


def test_each_viewer_has_its_own_framing_and_cursor(topic: Topic, viewer: Viewer) -> None:
    other = Viewer(topic, ids=True)
    other.socket.cursor = 2
    add(topic, 2, FIRST + SECOND)
    expected = chunk(FIRST + SECOND)
    assert viewer.read(len(expected)) == expected
    expected = chunk(b"id: 3\n" + SECOND)
    assert other.read(len(expected)) == expected
    other.close()


def test_what_is_wrong_with_one_job_is_no_other_jobs_trouble(topic: Topic, viewer: Viewer) -> None:
    other = Topic("resp_2")
    numbered = Viewer(other, ids=True)
    broadcast = Broadcast()
    other.add(2, b"no frame\n\n")
    topic.add(2, FIRST)
    broadcast.schedule(other)
    broadcast.schedule(topic)
    gevent.sleep(0)
    assert viewer.read(len(chunk(FIRST))) == chunk(FIRST)
    numbered.greenlet.get(timeout=20)  # it sees for itself
    numbered.close()


@pytest.mark.parametrize("happens", ["end of the stream", "gap", "rescan", "end of the job"])
def test_whoever_needs_more_than_news_wakes(topic: Topic, viewer: Viewer, happens: str) -> None:
    add(topic, 2, FIRST)
    match happens:
        case "end of the stream":
            add(topic, 3, SECOND + LAST)
        case "gap":
            add(topic, 5, SECOND)
        case "rescan":
            topic.request_rescan()
        case "end of the job":
            topic.end()
    viewer.greenlet.get(timeout=20)
    assert viewer.socket.cursor == 2
    assert not topic.sockets


def test_what_a_full_connection_does_not_take_is_written_before_anything_else(topic: Topic, viewer: Viewer) -> None:
    long = events.frame(events.TEXT_DELTA, 2, {"delta": "x" * 20_000_000})
    add(topic, 2, long)
    assert viewer.socket.is_full
    assert (topic.full_since(viewer.socket.sent_at - 1), topic.full_since(viewer.socket.sent_at)) == (0, 1)
    add(topic, 3, SECOND)
    assert viewer.socket.cursor == 2
    expected = chunk(long)
    assert viewer.read(len(expected)) == expected
    viewer.greenlet.get(timeout=20)
    assert not viewer.socket.is_full
    assert topic.full_since(viewer.socket.sent_at) == 0


def test_a_viewer_who_leaves_wakes_the_greenlet_at_once(viewer: Viewer) -> None:
    viewer.client.close()
    with pytest.raises(ConnectionResetError):
        viewer.greenlet.get(timeout=HEARTBEAT_SECONDS / 2)


def test_a_viewer_who_sends_its_next_request_goes_on_watching(topic: Topic, viewer: Viewer) -> None:
    viewer.client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert gevent.wait([viewer.greenlet], timeout=0.1) == []
    add(topic, 2, FIRST)
    assert viewer.read(len(chunk(FIRST))) == chunk(FIRST)


def test_who_hears_nothing_gets_a_beat_when_it_is_due(topic: Topic, viewer: Viewer) -> None:
    viewer.socket.beat(HEARTBEAT_SECONDS - 1)
    viewer.socket.beat(HEARTBEAT_SECONDS)
    viewer.socket.beat(2 * HEARTBEAT_SECONDS - 1)
    add(topic, 2, FIRST)
    expected = chunk(b": ping\n\n") + chunk(FIRST)
    assert viewer.read(len(expected)) == expected


def test_only_a_plain_connection_of_ours_over_http_1_1_is_written_to() -> None:
    class Connection:
        def __init__(self, plain: object) -> None:
            self.plain = plain

    with gevent.socket.socket() as ours, socket.socket() as other:
        good = {"gunicorn.socket": Connection(ours), "SERVER_PROTOCOL": "HTTP/1.1"}
        assert ViewerSocket.of(good, without_ids)
        for changes in ({"gunicorn.socket": other}, {"gunicorn.socket": Connection(other)}):
            assert ViewerSocket.of({**good, **changes}, without_ids) is None
        assert ViewerSocket.of({**good, "SERVER_PROTOCOL": "HTTP/1.0"}, without_ids) is None
        assert ViewerSocket.of({}, without_ids) is None

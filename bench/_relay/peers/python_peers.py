"""Peers in Python, which take what is published to a channel of a private Redis."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import redis

from cli.launch.listening import Listener, listen
from tests.support.process import Process
from tests.support.redis_server import RedisServer
from tests.support.stack import wait_for
from tests.support.up import clean_environment

# flask-sse sends nothing, not even the head of an answer, before the first message.
_GREETING_SECONDS = 1.0


@contextmanager
def starlette() -> Iterator[tuple[Listener, Process, str]]:
    """Its socket, its process, and the address of the Redis to publish to."""
    with _redis() as url, _serving([sys.executable, "-m", "bench._relay.peers.starlette_app"], url) as (socket, server):
        yield socket, server, url


@contextmanager
def flask_sse(channels: Sequence[str]) -> Iterator[tuple[Listener, Process, str]]:
    """The same; its viewers are greeted on these channels."""
    gunicorn = [sys.executable, "-m", "gunicorn", "--worker-class=gevent", "--worker-connections=20000"]
    with _redis() as url, _greeted(url, channels):
        application = f"bench._relay.peers.flask_sse_app:create_app({url!r})"
        with _serving([*gunicorn, application], None) as (socket, server):
            yield socket, server, url


@contextmanager
def _redis() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as place, RedisServer(Path(place)) as server:
        yield server.url


@contextmanager
def _serving(argv: list[str], redis_url: str | None) -> Iterator[tuple[Listener, Process]]:
    with listen("127.0.0.1", 0) as listener, tempfile.TemporaryDirectory() as place:
        place_of_socket = [str(listener.fd), redis_url] if redis_url else [f"--bind=fd://{listener.fd}"]
        process = Process([*argv, *place_of_socket], Path(place) / "log", clean_environment(), (listener.fd,))
        try:
            wait_for(lambda: _answers(listener) or not process.is_running)
            assert process.is_running, process.log.read_text()
            yield listener, process
        finally:
            process.kill()


@contextmanager
def _greeted(redis_url: str, channels: Sequence[str]) -> Iterator[None]:
    over = threading.Event()

    def greet() -> None:
        with redis.Redis.from_url(redis_url) as client:
            while not over.wait(_GREETING_SECONDS):
                for channel in channels:
                    client.publish(channel, '{"data": "hello"}')

    greeting = threading.Thread(target=greet)
    greeting.start()
    try:
        yield
    finally:
        over.set()
        greeting.join()


def _answers(listener: Listener) -> bool:
    connection = HTTPConnection(listener.host, listener.port, timeout=5)
    try:
        connection.request("GET", "/nothing")
        return connection.getresponse().status == HTTPStatus.NOT_FOUND
    except OSError:
        return False
    finally:
        connection.close()

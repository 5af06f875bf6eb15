"""Viewers that come at any moment, read slowly, vanish, or lose their web process: nobody misses or costs a byte."""

from __future__ import annotations

import random
import signal
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from urllib.parse import urlsplit

import openai
import psutil
import pytest

from jobs.job import Status
from jobs.protocol import events
from jobs.protocol.ids import item_id
from jobs.storage.attempts import AttemptStore
from jobs.storage.store import Store
from jobs.transport.event_log import EventLog, channel
from tests.support.assertions import assert_in_order, assert_one_end
from tests.support.job_factory import JobFactory, accepted
from tests.support.process import Process
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.wire import blocks, create, fetch, raw_stream, request

# Twice what is promised: the machine has other things to do.
FREED_SECONDS = 2 * 20
LEAVE_SECONDS = 2 * 20

FRAMES, FRAME_BYTES = 4000, 2000
SLOW_READERS = 10


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("viewers") / "data") as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as client:
        yield client


def processes(web: Process) -> list[psutil.Process]:
    """gunicorn's own process, and the one that serves."""
    parent = psutil.Process(web.pid)
    return [parent, *parent.children()]


def connections(web: Process) -> tuple[int, int]:
    """How many the web process has open with viewers, and with Redis, which it reaches over a unix socket."""
    found = processes(web)[-1].net_connections("all")
    viewers = sum(each.family is socket.AF_INET and each.status != psutil.CONN_LISTEN for each in found)
    return viewers, sum(each.family is socket.AF_UNIX for each in found)


def resident(web: Process) -> int:
    return sum(process.memory_info().rss for process in processes(web))


def lazy_reader(url: str, job: str, protocol: str = "HTTP/1.1") -> socket.socket:
    """A connection that has asked for a job's stream, and takes hardly a byte of it."""
    parts = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    connection.connect((parts.hostname, parts.port))
    connection.sendall(f"GET /v1/responses/{job}?stream=true {protocol}\r\nHost: {parts.netloc}\r\n\r\n".encode())
    return connection


def lazy_readers(url: str, job: str) -> list[socket.socket]:
    """Some to whose sockets everything is written by their own greenlet, and some to which it is written directly."""
    return [lazy_reader(url, job, ("HTTP/1.0", "HTTP/1.1")[number % 2]) for number in range(SLOW_READERS)]


@pytest.fixture(scope="module")
def vanished(stack: Stack) -> str:
    """A silent job whose hundred viewers have gone without a word."""
    job: str = create(stack.url, input="nobody looks [[demo stall=5]]")["id"]
    stack.model.wait("nobody looks", "stalled")
    readers = [lazy_reader(stack.url, job) for _ in range(100)]
    for reader in readers:
        assert reader.recv(1)
    assert connections(stack.webs[0])[0] >= 100
    assert fetch(stack.url, f"/v1/responses/{job}")[1]["status"] == "in_progress"  # none of them holds a session
    for number, reader in enumerate(readers):
        if number % 2:  # a reset instead of an orderly end
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reader.close()
    return job


def test_whoever_comes_at_any_moment_sees_everything_once(stack: Stack, client: openai.OpenAI, vanished: str) -> None:
    """Between subscription and log, between log and transcript: jobs so short that every moment is met."""
    chance = random.Random(1)

    def watch(number: int) -> None:
        job = create(stack.url, input=f"short {number} [[demo tokens=20 rate=2000]]")["id"]
        time.sleep(chance.uniform(0, 0.06))
        viewer = Viewer(client, job)
        assert_in_order(viewer.ended())
        assert [event.sequence_number for event in viewer.events] == list(range(len(viewer.events)))
        assert_one_end(stack.database, job, viewer.events)

    with ThreadPoolExecutor(4) as threads:
        assert len(list(threads.map(watch, range(100)))) == 100


def test_many_viewers_share_few_connections(stack: Stack, vanished: str) -> None:
    assert connections(stack.webs[0])[1] < 50


def test_a_slow_reader_costs_memory_for_nobody(stack: Stack, vanished: str) -> None:
    """The job is written here, at the speed of Redis: no model is as fast as ten readers are slow."""
    store, attempts, log = Store(stack.database), AttemptStore(stack.database), EventLog(stack.redis)
    job = store.accept("local", accepted()).id
    claim = attempts.claim_one(job, "here")
    assert claim
    writer = JobFactory(stack.database).writer(claim)
    writer.begin()
    item = writer.open_item("message", item_id("msg", job, 0, 0), 0)
    writer.open_part(item, "output_text")

    readers = lazy_readers(stack.url, job)
    with ThreadPoolExecutor(1) as threads:
        fast = threads.submit(raw_stream, stack.url, job)
        before = resident(stack.webs[0])
        for _ in range(FRAMES):
            writer.write(item, "x" * FRAME_BYTES)
            batch = writer.buffer.batch()
            assert batch
            (answer,) = log.append([batch])
            writer.buffer.acknowledge(answer.tail)
        readers += lazy_readers(stack.url, job)  # with all of it before them
        answers = [HTTPResponse(reader) for reader in readers]
        for slow_answer in answers:
            slow_answer.begin()
        begun = [slow_answer.read(5 * FRAME_BYTES) for slow_answer in answers]
        assert resident(stack.webs[0]) - before < SLOW_READERS * FRAMES * FRAME_BYTES * 3 / 4
        JobFactory(stack.database).finish(claim, Status.INCOMPLETE, writer)
        told = fast.result()
        slow = threads.map(_rest_of, begun, answers, readers)
        assert all(each == told for each in slow)
    assert events.number_of(events.split(told)[-1]) >= FRAMES


def _rest_of(begun: bytes, answer: HTTPResponse, reader: socket.socket) -> bytes:
    """The frames in an answer of which `begun` has been read."""
    with reader, answer:
        stream = begun + answer.read()
    return b"".join(b"%b\n\n" % block for block in stream.split(b"\n\n")[:-1] if not block.startswith(b":"))


def test_viewers_that_vanish_are_freed(stack: Stack, client: openai.OpenAI, vanished: str) -> None:
    wait_for(lambda: not stack.redis.pubsub_numsub(channel(vanished))[0][1], FREED_SECONDS)
    wait_for(lambda: not connections(stack.webs[0])[0], FREED_SECONDS)
    client.responses.cancel(vanished)


def test_a_web_process_that_is_sent_home_costs_its_viewers_nothing(stack: Stack) -> None:
    job = create(stack.url, input="web leaves [[demo tokens=150 rate=50]]")["id"]

    def follow_through(_: int) -> bytes:
        seen: list[bytes] = []
        while not (seen and events.is_terminal(seen[-1])):
            after = f"&starting_after={events.number_of(seen[-1])}" if seen else ""
            try:
                with request(stack.url, f"/v1/responses/{job}?stream=true{after}") as answer:
                    seen += [block for block in blocks(answer) if not block.startswith(b":")]
            except OSError:
                time.sleep(0.1)  # as a client does before it tries again
        return b"".join(seen)

    with ThreadPoolExecutor(20) as threads:
        viewers = [threads.submit(follow_through, number) for number in range(20)]
        wait_for(lambda: stack.redis.pubsub_numsub(channel(job))[0][1])
        stack.model.wait("web leaves", "first_token")
        stack.webs[-1].send(signal.SIGTERM)
        assert stack.webs[-1].wait(LEAVE_SECONDS) == 0
        stack.restart_web()
        told = [viewer.result() for viewer in viewers]
    assert set(told) == {raw_stream(stack.url, job)}
    assert_one_end(stack.database, job)
    assert stack.model.stats("web leaves")["requests"] == 1

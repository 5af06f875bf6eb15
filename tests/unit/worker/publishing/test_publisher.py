"""The publisher between writers and a real Redis that stops, forgets, and has a newer owner."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import redis
from sqlalchemy.exc import OperationalError

from jobs.transport.event_log import ENDED_MS, EventLog, channel
from tests.support.job_factory import JobFactory, frames_of
from tests.support.redis_server import RedisServer
from tests.support.stack import wait_for
from worker.model.chunks import Kind
from worker.publishing.event_writer import EventWriter
from worker.publishing.frame_buffer import MAX_FRAMES
from worker.publishing.publisher import Publisher
from worker.writing.section import Section

SECONDS = 10


class Desk:
    """A publisher with a Redis of its own."""

    def __init__(self, rows: JobFactory, server: RedisServer) -> None:
        self.rows, self.server = rows, server
        self.redis = redis.Redis.from_url(server.url)
        self.log, self.replaced = EventLog(self.redis), threading.Event()
        self.publisher = Publisher(self.log)
        self.publisher.start()

    def begin(self) -> tuple[EventWriter, Section]:
        """A job that has begun, and its log with it."""
        claim = self.rows.claim()
        writer = self.rows.writer(claim, wake=self.publisher.wake)
        current = partial(self.rows.attempts.is_current, claim)
        self.publisher.add(writer.buffer, on_replaced=self.replaced.set, is_current=current)
        writer.begin()
        self.settle(writer)
        return writer, Section(writer, 0)

    def settle(self, writer: EventWriter) -> None:
        """Wait until the log has all, and check that it does."""
        self.publisher.wait_until_sent(writer.buffer, SECONDS)
        assert not writer.buffer.has_work
        assert self.logged(writer) == frames_of(writer)

    def logged(self, writer: EventWriter) -> list[bytes]:
        return [frame for page in self.log.read(writer.claim.job.id) for _, frame in page]


@pytest.fixture
def desk(rows: JobFactory, tmp_path: Path) -> Iterator[Desk]:
    with RedisServer(tmp_path) as server:
        desk = Desk(rows, server)
        yield desk
        desk.publisher.close()
        desk.redis.close()


def test_what_was_written_while_redis_was_away_comes_when_it_is_back(desk: Desk) -> None:
    jobs = [desk.begin() for _ in range(5)]
    for writer, section in jobs:
        section.write(Kind.TEXT, "before ")
        desk.settle(writer)
    desk.server.kill()
    for number in range(2 * MAX_FRAMES):
        for _, section in jobs:
            section.write(Kind.TEXT, f"{number} ")
    assert all(writer.buffer.has_work for writer, _ in jobs)
    desk.server.start()
    for writer, section in jobs:
        section.write(Kind.TEXT, "after")
        desk.settle(writer)
        assert len(desk.logged(writer)) < MAX_FRAMES  # text that waits is merged


def test_a_redis_that_forgot_everything_gets_it_all_again(desk: Desk) -> None:
    jobs = [desk.begin() for _ in range(3)]
    for _ in range(4):
        desk.redis.flushall()
        desk.redis.script_flush()
        for writer, section in jobs:
            section.write(Kind.TEXT, "some ")
            desk.settle(writer)


@pytest.mark.parametrize("lost", [False, True])
def test_invariant_4_stale_writes_refused_and_the_attempt_ended(desk: Desk, lost: bool) -> None:
    writer, section = desk.begin()
    later = desk.rows.rescue(writer.claim)
    if lost:
        desk.redis.flushall()  # then the row has to say whose log it was
    else:
        desk.log.take(later.job.id, later.attempt)
    before = desk.logged(writer)
    section.write(Kind.TEXT, "late")
    assert desk.replaced.wait(SECONDS)
    assert desk.logged(writer) == before


def test_the_end_gives_the_log_its_short_life(desk: Desk) -> None:
    writer, section = desk.begin()
    section.write(Kind.TEXT, "all")
    writer.close_open_items()
    frame, _ = writer.buffer.closing({**writer.buffer.snapshot(), "status": "completed"})
    writer.buffer.end(frame)
    wait_for(lambda: desk.logged(writer)[-1:] == [frame])
    assert 0 < desk.redis.pttl(f"{channel(writer.claim.job.id)}:log") <= ENDED_MS
    desk.redis.flushall()
    desk.begin()
    assert desk.logged(writer) == []  # an ended job's log is not put back


def test_one_job_that_cannot_be_put_back_holds_up_no_other(desk: Desk) -> None:
    """Its log is lost while the database does not say whose job it is."""

    def nobody_knows() -> bool:
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    stuck, stuck_section = desk.begin()
    desk.publisher.remove(stuck.buffer)
    desk.publisher.add(stuck.buffer, on_replaced=desk.replaced.set, is_current=nobody_knows)
    other, section = desk.begin()
    desk.redis.delete(f"{channel(stuck.claim.job.id)}:fence")
    stuck_section.write(Kind.TEXT, "x")
    for _ in range(3):
        for _ in range(MAX_FRAMES - 50):
            section.write(Kind.TEXT, "y")
            other.buffer.batch()  # one frame each
        desk.settle(other)
    assert stuck.buffer.has_work


def test_a_job_that_was_taken_away_is_not_published(desk: Desk) -> None:
    writer, section = desk.begin()
    desk.publisher.remove(writer.buffer)
    section.write(Kind.TEXT, "x")
    desk.begin()
    assert writer.buffer.has_work


def test_an_end_that_the_log_did_not_take_is_not_tried_again(desk: Desk) -> None:
    """The row says already that the job has ended: viewers get the rest from there."""
    writer, section = desk.begin()
    section.write(Kind.TEXT, "all")
    writer.close_open_items()
    desk.settle(writer)
    logged = desk.logged(writer)
    desk.server.stop()
    frame, _ = writer.buffer.closing({**writer.buffer.snapshot(), "status": "completed"})
    writer.buffer.end(frame)
    wait_for(lambda: not desk.publisher._publications)
    desk.server.start()
    desk.begin()
    assert desk.logged(writer) in (logged, [])  # of what it keeps on its disk
    assert writer.buffer.has_work


def test_a_job_that_cannot_be_put_back_slows_no_flush_of_another(desk: Desk) -> None:
    stuck, stuck_section = desk.begin()
    desk.publisher.remove(stuck.buffer)
    away = OperationalError("SELECT", {}, Exception("the database is away"))
    calls: list[float] = []

    def nobody_knows() -> bool:
        calls.append(time.monotonic())
        raise away

    desk.publisher.add(stuck.buffer, on_replaced=desk.replaced.set, is_current=nobody_knows)
    desk.redis.delete(f"{channel(stuck.claim.job.id)}:fence")
    stuck_section.write(Kind.TEXT, "x")
    wait_for(lambda: len(calls) > 5)  # its pause has grown by then
    other, section = desk.begin()
    started = time.monotonic()
    for _ in range(20):
        section.write(Kind.TEXT, "y")
        other.buffer.urgent = True
        desk.settle(other)
    pauses = [after - before for before, after in zip(calls, calls[1:], strict=False)]
    assert time.monotonic() - started < 20 * max(pauses)
    assert max(pauses) > 0.2

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

from jobs.protocol.fold import text_of
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


class PublisherSetup:
    """A publisher with a Redis of its own."""

    def __init__(self, job_factory: JobFactory, server: RedisServer) -> None:
        self.job_factory, self.server = job_factory, server
        self.redis = redis.Redis.from_url(server.url)
        self.log, self.replaced = EventLog(self.redis), threading.Event()
        self.publisher = Publisher(self.log)
        self.publisher.start()

    def begin(self) -> tuple[EventWriter, Section]:
        """A job that has begun, and its log with it."""
        claim = self.job_factory.claim()
        writer = self.job_factory.writer(claim, wake=self.publisher.wake)
        current = partial(self.job_factory.attempts.is_current, claim)
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
def setup(job_factory: JobFactory, tmp_path: Path) -> Iterator[PublisherSetup]:
    with RedisServer(tmp_path) as server:
        setup = PublisherSetup(job_factory, server)
        yield setup
        setup.publisher.close()
        setup.redis.close()


def test_what_was_written_while_redis_was_away_comes_when_it_is_back(setup: PublisherSetup) -> None:
    jobs = [setup.begin() for _ in range(5)]
    for writer, section in jobs:
        section.write(Kind.TEXT, "before ")
        setup.settle(writer)
    setup.server.kill()
    for number in range(2 * MAX_FRAMES):
        for _, section in jobs:
            section.write(Kind.TEXT, f"{number} ")
    assert all(writer.buffer.has_work for writer, _ in jobs)
    setup.server.start()
    for writer, section in jobs:
        section.write(Kind.TEXT, "after")
        setup.settle(writer)
        assert len(setup.logged(writer)) < MAX_FRAMES  # text that waits is merged


def test_a_redis_that_forgot_everything_gets_it_all_again(setup: PublisherSetup) -> None:
    jobs = [setup.begin() for _ in range(3)]
    for _ in range(4):
        setup.redis.flushall()
        setup.redis.script_flush()
        for writer, section in jobs:
            section.write(Kind.TEXT, "some ")
            setup.settle(writer)


@pytest.mark.parametrize("lost", [False, True])
def test_invariant_4_stale_writes_refused_and_the_attempt_ended(setup: PublisherSetup, lost: bool) -> None:
    writer, section = setup.begin()
    later = setup.job_factory.rescue(writer.claim)
    if lost:
        setup.redis.flushall()  # then the row has to say whose log it was
    else:
        setup.log.take(later.job.id, later.attempt)
    before = setup.logged(writer)
    section.write(Kind.TEXT, "late")
    assert setup.replaced.wait(SECONDS)
    assert setup.logged(writer) == before


def test_the_end_gives_the_log_its_short_life(setup: PublisherSetup) -> None:
    writer, section = setup.begin()
    section.write(Kind.TEXT, "all")
    writer.close_open_items()
    frame, _ = writer.buffer.closing({**writer.buffer.snapshot(), "status": "completed"})
    writer.buffer.end(frame)
    wait_for(lambda: setup.logged(writer)[-1:] == [frame])
    assert 0 < setup.redis.pttl(f"{channel(writer.claim.job.id)}:log") <= ENDED_MS
    setup.redis.flushall()
    setup.begin()
    assert setup.logged(writer) == []  # an ended job's log is not put back


def test_one_job_that_cannot_be_put_back_holds_up_no_other(setup: PublisherSetup) -> None:
    """Its log is lost while the database does not say whose job it is."""

    def nobody_knows() -> bool:
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    stuck, stuck_section = setup.begin()
    setup.publisher.remove(stuck.buffer)
    setup.publisher.add(stuck.buffer, on_replaced=setup.replaced.set, is_current=nobody_knows)
    other, section = setup.begin()
    setup.redis.delete(f"{channel(stuck.claim.job.id)}:fence")
    stuck_section.write(Kind.TEXT, "x")
    for _ in range(3):
        for _ in range(MAX_FRAMES - 50):
            section.write(Kind.TEXT, "y")
            other.buffer.batch()  # one frame each
        setup.settle(other)
    assert stuck.buffer.has_work


def test_a_job_that_was_taken_away_is_not_published(setup: PublisherSetup) -> None:
    writer, section = setup.begin()
    setup.publisher.remove(writer.buffer)
    section.write(Kind.TEXT, "x")
    setup.begin()
    assert writer.buffer.has_work


def test_an_end_that_the_log_did_not_take_is_not_tried_again(setup: PublisherSetup) -> None:
    """The row says already that the job has ended: viewers get the rest from there."""
    writer, section = setup.begin()
    section.write(Kind.TEXT, "all")
    writer.close_open_items()
    setup.settle(writer)
    logged = setup.logged(writer)
    setup.server.stop()
    frame, _ = writer.buffer.closing({**writer.buffer.snapshot(), "status": "completed"})
    writer.buffer.end(frame)
    wait_for(lambda: not setup.publisher._publications)
    setup.server.start()
    setup.begin()
    assert setup.logged(writer) in (logged, [])  # of what it keeps on its disk
    assert writer.buffer.has_work


def test_a_job_that_cannot_be_put_back_slows_no_flush_of_another(setup: PublisherSetup) -> None:
    stuck, stuck_section = setup.begin()
    setup.publisher.remove(stuck.buffer)
    away = OperationalError("SELECT", {}, Exception("the database is away"))
    calls: list[float] = []

    def nobody_knows() -> bool:
        calls.append(time.monotonic())
        raise away

    setup.publisher.add(stuck.buffer, on_replaced=setup.replaced.set, is_current=nobody_knows)
    setup.redis.delete(f"{channel(stuck.claim.job.id)}:fence")
    stuck_section.write(Kind.TEXT, "x")
    wait_for(lambda: len(calls) > 5)  # its pause has grown by then
    other, section = setup.begin()
    started = time.monotonic()
    for _ in range(20):
        section.write(Kind.TEXT, "y")
        other.buffer.urgent = True
        setup.settle(other)
    pauses = [after - before for before, after in zip(calls, calls[1:], strict=False)]
    assert time.monotonic() - started < 20 * max(pauses)
    assert max(pauses) > 0.2


def test_a_text_that_no_frame_can_hold_costs_the_character_and_nothing_else(setup: PublisherSetup) -> None:
    writer, section = setup.begin()
    section.write(Kind.TEXT, "half a pair: \ud83d, and more")
    setup.settle(writer)
    assert text_of(writer.buffer.snapshot()) == "half a pair: ?, and more"

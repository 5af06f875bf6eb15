"""Numbers of an attempt: reserved before use, never back, each in one frame; and what a log is rebuilt from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.protocol import events
from jobs.protocol.fold import fold
from jobs.protocol.transcript import read
from jobs.storage.attempts import BLOCK, Claim
from jobs.transport.event_log import Append, AppendStatus, EventLog
from tests.support.job_factory import JobFactory, events_of, frames_of
from worker.publishing.event_writer import EventWriter
from worker.publishing.frame_buffer import MAX_FRAMES, FrameBuffer


def begun(writer: EventWriter, text: str = "") -> EventWriter:
    """With one item, and text in it."""
    writer.begin()
    writer.open_part(writer.open_item("message", f"msg_{writer.claim.attempt}", 0), "output_text")
    if text:
        write(writer, text)
    return writer


def write(writer: EventWriter, text: str) -> None:
    writer.write(list(writer.buffer.fold.items.values())[-1], text)


def sent(writer: EventWriter) -> Append:
    """The next batch, which the log takes."""
    batch = writer.buffer.batch()
    assert batch == writer.buffer.batch()  # the same until it is acknowledged
    assert batch
    writer.buffer.acknowledge(batch.first + len(batch.frames) - 1)
    return batch


def publish(writer: EventWriter, log: EventLog) -> None:
    """What the publisher does, without its thread."""
    while (batch := writer.buffer.batch()) is not None:
        (answer,) = log.append([batch])
        if answer.status is AppendStatus.LOST:
            log.take(batch.job_id, batch.attempt)
            last, pages = writer.buffer.pages()
            assert log.rebuild(batch.job_id, batch.attempt, pages).status is AppendStatus.OK
            writer.buffer.acknowledge(last)
        else:
            assert answer.status is AppendStatus.OK
            writer.buffer.acknowledge(answer.tail)


def logged(log: EventLog, claim: Claim) -> list[bytes]:
    return [frame for page in log.read(claim.job.id) for _, frame in page]


def test_every_attempt_tells_of_those_before_it_and_why_it_was_needed(job_factory: JobFactory) -> None:
    writer = begun(job_factory.writer(job_factory.claim()))
    attempts = [events_of(writer)[2]["response"]["penstock"]["attempts"]]
    for drained in (False, True, False):
        if drained:
            assert job_factory.attempts.give_back(writer.claim, writer.buffer.freeze())
        else:
            job_factory.requeue(writer.claim.job.id)
        writer = begun(job_factory.writer(job_factory.claim(writer.claim.job), frames_of(writer)))
        snapshot = writer.buffer.snapshot()["penstock"]
        attempts.append(snapshot["attempts"])
        assert snapshot["attempt"] == writer.claim.attempt
        assert attempts[-1][:-1] == attempts[-2]
    reasons = [None, "the worker was lost", "the worker was stopped", "the worker was lost"]
    assert [(attempt["attempt"], attempt["reason"]) for attempt in attempts[-1]] == list(enumerate(reasons, 1))
    assert [attempt["started"] for attempt in attempts[-1]] == sorted(attempt["started"] for attempt in attempts[-1])
    # With the log they are lost: what is left is why there is another.
    alone = begun(job_factory.writer(job_factory.rescue(writer.claim)))
    (only,) = alone.buffer.snapshot()["penstock"]["attempts"]
    assert (only["attempt"], only["reason"], alone.reason) == (5, "the worker was lost", "the worker was lost")


def numbers(writer: EventWriter) -> list[int]:
    return [event["sequence_number"] for event in events_of(writer)]


def test_an_attempt_numbers_without_holes_from_the_opening_on(job_factory: JobFactory) -> None:
    writer = begun(job_factory.writer(job_factory.claim()), "a")
    write(writer, "\x00\u2028")
    first = sent(writer)
    assert (first.held, first.first, first.ends) == (0, 0, False)
    assert [events.number_of(frame) for frame in first.frames] == list(range(6))
    assert b"".join(first.frames[:2]) == writer.claim.job.initial_frames
    assert events.event_of(first.frames[-1])["delta"] == "a\x00\u2028"
    write(writer, "b")
    second = sent(writer)
    assert (second.held, second.first, len(second.frames)) == (6, 6, 1)


def test_the_end_is_in_the_transcript_before_it_is_sent(job_factory: JobFactory) -> None:
    writer = begun(job_factory.writer(job_factory.claim()), "all")
    writer.close_open_items()
    final = {**writer.buffer.snapshot(), "status": "failed"}
    frame, transcript = writer.buffer.closing(final)
    before = sent(writer)
    assert not before.ends
    assert writer.buffer.batch() is None
    writer.buffer.end(frame)
    last = sent(writer)
    assert (last.ends, last.frames) == (True, [frame])
    stored = [one for page in read(transcript) for one in page]
    assert stored == [*before.frames, frame]
    assert fold(events.events_of(stored)) == final


def test_a_long_queue_goes_out_in_batches_and_text_stays_merged(job_factory: JobFactory) -> None:
    writer = job_factory.writer(job_factory.claim())
    for _ in range(MAX_FRAMES):
        writer.begin()
    begun(writer, "a")
    writer.buffer.batch()
    write(writer, "b")
    assert len(sent(writer).frames) == MAX_FRAMES
    assert events.event_of(sent(writer).frames[-1])["delta"] == "ab"


def test_numbers_are_reserved_in_the_row_before_they_are_used(job_factory: JobFactory) -> None:
    writer = begun(job_factory.writer(job_factory.claim()))
    for number in range(2 * BLOCK):
        write(writer, "x")
        last = sent(writer).first
        if number % 500 == 0:
            assert last < job_factory.get(writer.claim.job.id).seq_mark
    assert job_factory.rescue(writer.claim).first > last > 2 * BLOCK


def test_without_a_reservation_text_waits(job_factory: JobFactory) -> None:
    claim = job_factory.claim()
    needs = set[bool]()

    def refuse(seq_mark: int, index_mark: int, *, needed: bool) -> bool:
        needs.add(needed)
        return False

    writer = begun(EventWriter(FrameBuffer(claim, [], reserve=refuse, wake=lambda _: None)))
    for _ in range(BLOCK + 500):
        write(writer, "x")
        if writer.buffer.batch():
            sent(writer)
    assert needs == {False, True}
    assert max(numbers(writer)) == claim.job.seq_mark - 1
    assert writer.buffer.has_work


def test_items_have_indexes_of_their_own(job_factory: JobFactory) -> None:
    writer = job_factory.writer(job_factory.claim())
    for number in range(7):
        writer.close_item(writer.open_item("message", f"msg_{number}", 0), "incomplete")
    assert list(writer.buffer.fold.items) == list(range(7))
    lost = job_factory.rescue(writer.claim)
    assert list(begun(job_factory.writer(lost)).buffer.fold.items) == [lost.first_index]
    assert lost.first_index >= 7
    third = job_factory.writer(job_factory.rescue(lost), frames_of(writer))
    assert list(begun(third).buffer.fold.items) == list(range(8))


@pytest.mark.parametrize("mark", ["beyond the log", "behind the log"])
def test_a_later_attempt_goes_on_in_the_log_that_it_found(job_factory: JobFactory, log: EventLog, mark: str) -> None:
    writer = begun(job_factory.writer(job_factory.claim()), "half")
    publish(writer, log)
    claim = job_factory.rescue(writer.claim)
    if mark == "behind the log":
        claim = replace(claim, first=3)
    log.take(claim.job.id, claim.attempt)
    second = job_factory.writer(claim, logged(log, claim))
    second.begin()
    publish(second, log)
    assert numbers(second) == [*range(6), max(claim.first, 6)]
    assert logged(log, claim) == frames_of(second)
    assert fold(events_of(second))["output"][0]["content"][0]["text"] == "half"


@pytest.mark.parametrize("how", ["rescued", "drained"])
def test_a_log_that_could_not_be_read_is_replaced(job_factory: JobFactory, log: EventLog, how: str) -> None:
    """The fence is taken, then Redis does not answer, then it does, with all of the old log."""
    writer = begun(job_factory.writer(job_factory.claim()), "half")
    publish(writer, log)
    if how == "drained":
        job_factory.attempts.give_back(writer.claim, writer.buffer.freeze())
        claim = job_factory.claim(writer.claim.job)
    else:
        claim = job_factory.rescue(writer.claim)
    log.take(claim.job.id, claim.attempt)
    blind = begun(job_factory.writer(claim))
    publish(blind, log)
    assert logged(log, claim) == frames_of(blind)
    assert numbers(blind)[2] > max(numbers(writer))


def test_a_frozen_recording_says_no_more(job_factory: JobFactory, log: EventLog) -> None:
    writer = begun(job_factory.writer(job_factory.claim()))
    publish(writer, log)
    mark = writer.buffer.freeze()
    write(writer, "too late")
    assert writer.buffer.batch() is None
    assert log.tails([writer.claim.job.id]) == [mark - 1]


def test_only_what_the_log_has_is_let_go(job_factory: JobFactory) -> None:
    writer = begun(job_factory.writer(job_factory.claim()))
    batch = writer.buffer.batch()
    assert batch is not None
    assert len(batch.frames) > 2
    writer.buffer.acknowledge(batch.first + 1)
    rest = writer.buffer.batch()
    assert rest is not None
    assert (rest.first, rest.frames) == (batch.first + 2, batch.frames[2:])
    writer.buffer.acknowledge(batch.first)  # an answer that comes late
    assert writer.buffer.batch() == rest


def test_a_frozen_buffer_sends_and_numbers_nothing_more(job_factory: JobFactory) -> None:
    writer = begun(job_factory.writer(job_factory.claim()), "before")
    writer.buffer.number_text()
    next_number = writer.buffer.freeze()
    assert writer.buffer.batch() is None
    write(writer, "after")
    assert writer.buffer.batch() is None
    assert writer.buffer.freeze() == next_number

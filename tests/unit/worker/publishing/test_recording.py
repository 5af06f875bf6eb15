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
from worker.publishing.recording import MAX_FRAMES, Recording


def begun(recording: Recording, text: str = "") -> Recording:
    """With one item, and text in it."""
    recording.begin()
    recording.open_part(recording.open_item("message", f"msg_{recording.claim.attempt}", 0), "output_text")
    if text:
        write(recording, text)
    return recording


def write(recording: Recording, text: str) -> None:
    recording.write(list(recording.fold.items.values())[-1], text)


def sent(recording: Recording) -> Append:
    """The next batch, which the log takes."""
    batch = recording.batch()
    assert batch == recording.batch()  # the same until it is acknowledged
    assert batch
    recording.acknowledge(batch.first + len(batch.frames) - 1)
    return batch


def publish(recording: Recording, log: EventLog) -> None:
    """What the publisher does, without its thread."""
    while (batch := recording.batch()) is not None:
        (answer,) = log.append([batch])
        if answer.status is AppendStatus.LOST:
            last, pages = recording.pages()
            assert log.rebuild(batch.job_id, batch.attempt, pages).status is AppendStatus.OK
            recording.acknowledge(last)
        else:
            assert answer.status is AppendStatus.OK
            recording.acknowledge(answer.tail)


def logged(log: EventLog, claim: Claim) -> list[bytes]:
    return [frame for page in log.read(claim.job.id) for _, frame in page]


def test_every_attempt_tells_of_those_before_it_and_why_it_was_needed(rows: JobFactory) -> None:
    recording = begun(rows.record(rows.claim()))
    told = [events_of(recording)[2]["response"]["penstock"]["attempts"]]
    for drained in (False, True, False):
        if drained:
            assert rows.attempts.give_back(recording.claim, recording.freeze())
        else:
            rows.requeue(recording.claim.job.id)
        recording = begun(rows.record(rows.claim(recording.claim.job), frames_of(recording)))
        snapshot = recording.snapshot()["penstock"]
        told.append(snapshot["attempts"])
        assert snapshot["attempt"] == recording.claim.attempt
        assert told[-1][:-1] == told[-2]
    reasons = [None, "the worker was lost", "the worker was stopped", "the worker was lost"]
    assert [(one["attempt"], one["reason"]) for one in told[-1]] == list(enumerate(reasons, 1))
    assert [one["started"] for one in told[-1]] == sorted(one["started"] for one in told[-1])
    # With the log they are lost: what is left is why there is another.
    alone = begun(rows.record(rows.rescue(recording.claim)))
    (only,) = alone.snapshot()["penstock"]["attempts"]
    assert (only["attempt"], only["reason"], alone.reason) == (5, "the worker was lost", "the worker was lost")


def numbers(recording: Recording) -> list[int]:
    return [event["sequence_number"] for event in events_of(recording)]


def test_an_attempt_numbers_without_holes_from_the_opening_on(rows: JobFactory) -> None:
    recording = begun(rows.record(rows.claim()), "a")
    write(recording, "\x00\u2028")
    first = sent(recording)
    assert (first.held, first.first, first.begins, first.ends) == (0, 0, True, False)
    assert [events.number_of(frame) for frame in first.frames] == list(range(6))
    assert b"".join(first.frames[:2]) == recording.claim.job.initial_frames
    assert events.event_of(first.frames[-1])["delta"] == "a\x00\u2028"
    write(recording, "b")
    second = sent(recording)
    assert (second.held, second.first, len(second.frames), second.begins) == (6, 6, 1, False)


def test_the_end_is_in_the_transcript_before_it_is_sent(rows: JobFactory) -> None:
    recording = begun(rows.record(rows.claim()), "all")
    recording.abandon()
    final = {**recording.snapshot(), "status": "failed"}
    frame, transcript = recording.closing(final)
    before = sent(recording)
    assert not before.ends
    assert recording.batch() is None
    recording.end(frame)
    last = sent(recording)
    assert (last.ends, last.frames) == (True, [frame])
    stored = [one for page in read(transcript) for one in page]
    assert stored == [*before.frames, frame]
    assert fold(events.events_of(stored)) == final


def test_a_long_queue_goes_out_in_batches_and_text_stays_merged(rows: JobFactory) -> None:
    recording = rows.record(rows.claim())
    for _ in range(MAX_FRAMES):
        recording.begin()
    begun(recording, "a")
    recording.batch()
    write(recording, "b")
    assert len(sent(recording).frames) == MAX_FRAMES
    assert events.event_of(sent(recording).frames[-1])["delta"] == "ab"


def test_numbers_are_reserved_in_the_row_before_they_are_used(rows: JobFactory) -> None:
    recording = begun(rows.record(rows.claim()))
    for number in range(2 * BLOCK):
        write(recording, "x")
        last = sent(recording).first
        if number % 500 == 0:
            assert last < rows.get(recording.claim.job.id).seq_mark
    assert rows.rescue(recording.claim).first > last > 2 * BLOCK


def test_without_a_reservation_text_waits(rows: JobFactory) -> None:
    claim, asked = rows.claim(), set[bool]()

    def refuse(_seq_mark: int, _index_mark: int, needed: bool) -> bool:
        asked.add(needed)
        return False

    recording = begun(Recording(claim, [], reserve=refuse, wake=lambda: None))
    for _ in range(BLOCK + 500):
        write(recording, "x")
        if recording.batch():
            sent(recording)
    assert asked == {False, True}
    assert max(numbers(recording)) == claim.job.seq_mark - 1
    assert recording.has_work


def test_items_have_indexes_of_their_own(rows: JobFactory) -> None:
    recording = rows.record(rows.claim())
    for number in range(7):
        recording.close_item(recording.open_item("message", f"msg_{number}", 0), "incomplete")
    assert list(recording.fold.items) == list(range(7))
    lost = rows.rescue(recording.claim)
    assert list(begun(rows.record(lost)).fold.items) == [lost.first_index]
    assert lost.first_index >= 7
    told = rows.record(rows.rescue(lost), frames_of(recording))
    assert list(begun(told).fold.items) == list(range(8))


@pytest.mark.parametrize("mark", ["beyond the log", "behind the log"])
def test_a_later_attempt_goes_on_in_the_log_that_it_found(rows: JobFactory, log: EventLog, mark: str) -> None:
    recording = begun(rows.record(rows.claim()), "half")
    publish(recording, log)
    claim = rows.rescue(recording.claim)
    if mark == "behind the log":
        claim = replace(claim, first=3)
    log.take(claim.job.id, claim.attempt)
    second = rows.record(claim, logged(log, claim))
    second.begin()
    publish(second, log)
    assert numbers(second) == [*range(6), max(claim.first, 6)]
    assert logged(log, claim) == frames_of(second)
    assert fold(events_of(second))["output"][0]["content"][0]["text"] == "half"


@pytest.mark.parametrize("how", ["rescued", "drained"])
def test_a_log_that_could_not_be_read_is_replaced(rows: JobFactory, log: EventLog, how: str) -> None:
    """The fence is taken, then Redis does not answer, then it does, with all of the old log."""
    recording = begun(rows.record(rows.claim()), "half")
    publish(recording, log)
    if how == "drained":
        rows.attempts.give_back(recording.claim, recording.freeze())
        claim = rows.claim(recording.claim.job)
    else:
        claim = rows.rescue(recording.claim)
    log.take(claim.job.id, claim.attempt)
    blind = begun(rows.record(claim))
    publish(blind, log)
    assert logged(log, claim) == frames_of(blind)
    assert numbers(blind)[2] > max(numbers(recording))


def test_a_frozen_recording_says_no_more(rows: JobFactory, log: EventLog) -> None:
    recording = begun(rows.record(rows.claim()))
    publish(recording, log)
    mark = recording.freeze()
    write(recording, "too late")
    assert recording.batch() is None
    assert log.tails([recording.claim.job.id]) == [mark - 1]

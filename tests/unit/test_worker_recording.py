"""Numbers of an attempt: reserved before use, never back, each in one frame; and what a log is rebuilt from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs import events
from jobs.attempts import BLOCK, Claim
from jobs.event_log import EventLog, Verdict
from jobs.fold import fold
from jobs.transcript import read
from tests.support.rows import Rows, events_of, frames_of
from worker.recording import MAX_FRAMES, Recording


def begun(recording: Recording) -> Recording:
    """With one item that text can be written into."""
    recording.begin()
    recording.open_part(recording.open_item("message", f"msg_{recording.claim.attempt}", 0, None), "output_text")
    return recording


def write(recording: Recording, text: str) -> None:
    recording.write(list(recording.fold.items.values())[-1], text)


def publish(recording: Recording, log: EventLog) -> None:
    """What the publisher does, without its thread."""
    while (batch := recording.batch()) is not None:
        (answer,) = log.append([batch])
        if answer.verdict is Verdict.LOST:
            last, pages = recording.pages()
            assert log.rebuild(batch.job_id, batch.attempt, pages).verdict is Verdict.OK
            recording.acknowledge(last)
        else:
            assert answer.verdict is Verdict.OK
            recording.acknowledge(answer.tail)


def logged(log: EventLog, claim: Claim) -> list[bytes]:
    return [frame for page in log.read(claim.job.id) for _, frame in page]


def test_an_attempt_numbers_without_holes_from_the_opening_on(rows: Rows) -> None:
    recording = begun(rows.record(rows.claim()))
    for text in ("a", "b", "\x00\u2028"):
        write(recording, text)
    merged = recording.batch()
    assert merged == recording.batch()  # the same until it is acknowledged
    assert merged
    assert (merged.prev, merged.first, merged.begins, merged.ends) == (-1, 0, True, False)
    assert [events.number_of(frame) for frame in merged.frames] == list(range(6))
    assert b"".join(merged.frames[:2]) == recording.claim.job.opening
    assert events.event_of(merged.frames[-1])["delta"] == "ab\x00\u2028"
    recording.acknowledge(3)
    write(recording, "c")
    rest = recording.batch()
    assert rest
    assert (rest.prev, rest.first, len(rest.frames), rest.begins) == (3, 4, 3, False)


def test_the_end_is_in_the_transcript_before_it_is_sent(rows: Rows) -> None:
    recording = begun(rows.record(rows.claim()))
    write(recording, "all")
    recording.abandon()
    final = {**recording.snapshot(), "status": "failed"}
    frame, transcript = recording.closing(final)
    before = recording.batch()
    assert before
    assert not before.ends
    recording.acknowledge(before.first + len(before.frames) - 1)
    assert recording.batch() is None
    recording.end(frame)
    last = recording.batch()
    assert last
    assert (last.ends, last.frames) == (True, [frame])
    stored = [one for page in read(transcript) for one in page]
    assert stored == [*before.frames, frame]
    assert fold(events.events_of(stored)) == final


def test_a_long_queue_goes_out_in_batches_and_text_stays_merged(rows: Rows) -> None:
    recording = rows.record(rows.claim())
    for _ in range(MAX_FRAMES):
        recording.begin()
    begun(recording)
    write(recording, "a")
    recording.batch()
    write(recording, "b")
    first = recording.batch()
    assert first
    assert len(first.frames) == MAX_FRAMES
    recording.acknowledge(first.first + MAX_FRAMES - 1)
    rest = recording.batch()
    assert rest
    assert events.event_of(rest.frames[-1])["delta"] == "ab"


def test_numbers_are_reserved_in_the_row_before_they_are_used(rows: Rows) -> None:
    claim = rows.claim()
    recording = begun(rows.record(claim))
    marks = {rows.get(claim.job.id).seq_mark}
    for number in range(2 * BLOCK):
        write(recording, "x")
        batch = recording.batch()
        assert batch
        last = batch.first + len(batch.frames) - 1
        recording.acknowledge(last)
        if number % 1000 == 0:
            marks.add(rows.get(claim.job.id).seq_mark)
            assert last < max(marks)
    assert len(marks) > 2
    assert rows.rescue(claim).first > last


def test_without_a_reservation_text_waits(rows: Rows) -> None:
    claim, asked = rows.claim(), set[bool]()

    def refuse(_seq_mark: int, _index_mark: int, needed: bool) -> bool:
        asked.add(needed)
        return False

    recording = begun(Recording(claim, [], reserve=refuse, wake=lambda: None))
    for _ in range(BLOCK + 500):
        write(recording, "x")
        if (batch := recording.batch()) is not None:
            recording.acknowledge(batch.first + len(batch.frames) - 1)
    assert asked == {False, True}
    assert max(event["sequence_number"] for event in events_of(recording)) == claim.job.seq_mark - 1
    assert recording.has_work


def test_items_have_indexes_of_their_own(rows: Rows) -> None:
    claim = rows.claim()
    recording = rows.record(claim)
    for number in range(7):
        recording.close_item(recording.open_item("message", f"msg_{number}", 0, None), "incomplete")
    assert list(recording.fold.items) == list(range(7))
    lost = rows.rescue(claim)
    assert lost.first_index >= 7
    assert begun(rows.record(lost)).fold.items[lost.first_index].id == "msg_2"
    told = rows.record(rows.rescue(lost), frames_of(recording))
    assert begun(told).fold.items[7].id == "msg_3"


def test_a_later_attempt_goes_on_in_the_log_that_it_found(rows: Rows, log: EventLog) -> None:
    recording = begun(rows.record(rows.claim()))
    write(recording, "half")
    publish(recording, log)
    claim = rows.rescue(recording.claim)
    log.take(claim.job.id, claim.attempt)
    second = rows.record(claim, logged(log, claim))
    second.begin()
    publish(second, log)
    numbers = [event["sequence_number"] for event in events_of(second)]
    assert numbers == [*range(6), claim.first]
    assert logged(log, claim) == frames_of(second)
    assert fold(events_of(second))["output"][0]["content"][0]["text"] == "half"


@pytest.mark.parametrize("how", ["rescued", "drained"])
def test_a_log_that_could_not_be_read_is_replaced(rows: Rows, log: EventLog, how: str) -> None:
    """The fence is taken, then Redis does not answer, then it does, with all of the old log."""
    recording = begun(rows.record(rows.claim()))
    write(recording, "half")
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
    numbers = [event["sequence_number"] for event in events_of(blind)]
    assert numbers[:2] == [0, 1]
    assert numbers[2] > max(event["sequence_number"] for event in events_of(recording))


def test_a_mark_behind_the_log_gives_no_number_twice(rows: Rows, log: EventLog) -> None:
    recording = begun(rows.record(rows.claim()))
    write(recording, "half")
    publish(recording, log)
    claim = rows.rescue(recording.claim)
    log.take(claim.job.id, claim.attempt)
    behind = rows.record(replace(claim, first=3), logged(log, claim))
    behind.begin()
    publish(behind, log)
    assert [event["sequence_number"] for event in events_of(behind)] == list(range(7))
    assert logged(log, claim) == frames_of(behind)


def test_a_frozen_recording_says_no_more(rows: Rows, log: EventLog) -> None:
    recording = begun(rows.record(rows.claim()))
    publish(recording, log)
    mark = recording.freeze()
    write(recording, "too late")
    assert recording.batch() is None
    assert log.tails([recording.claim.job.id]) == [mark - 1]

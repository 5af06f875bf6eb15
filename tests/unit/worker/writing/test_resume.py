"""What a later attempt takes over: the log as it was left, and finished sections that the log does not know."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis

from jobs.protocol import events
from jobs.protocol.fold import fold
from jobs.storage.attempts import Checkpoint
from jobs.transport.event_log import AppendStatus, EventLog
from tests.support.job_factory import JobFactory, events_of, frames_of
from worker.attempt_state import Log, Reason
from worker.model.cancellation import Cancellation, Stopped
from worker.model.chunks import Kind
from worker.publishing.event_writer import EventWriter
from worker.writing import resume
from worker.writing.resume import FoundLog
from worker.writing.section import Section

# The log of the section below has so many frames; a crash may have cut it anywhere behind the opening.
FRAMES = 17


def finished(rows: JobFactory) -> EventWriter:
    """A first attempt that finished its only section."""
    claim = rows.claim()
    writer = rows.writer(claim)
    writer.begin()
    section = Section(writer, 0)
    for kind, text in ((Kind.REASONING, "why"), (Kind.REASONING, " not"), (Kind.TEXT, "be"), (Kind.TEXT, "cause")):
        section.write(kind, text)
        writer.buffer.batch()
    section.finish(lambda items: rows.attempts.checkpoint(claim, Checkpoint(0, items, {"output_tokens": 3})))
    return writer


@pytest.mark.parametrize("left", [0, *range(2, FRAMES + 1)])
def test_invariant_5_finished_items_stay_wherever_the_log_broke_off(rows: JobFactory, left: int) -> None:
    first = finished(rows)
    assert len(frames_of(first)) == FRAMES
    claim = rows.rescue(first.claim)
    (checkpoint,) = claim.checkpoints
    assert [set(item["penstock"]) for item in checkpoint.items] == [{"section", "started", "ended"}] * 2
    second = rows.writer(replace(claim, job=replace(claim.job, created_at=0.0)), frames_of(first)[:left])
    second.begin()
    resume.restore(second, checkpoint)

    told = events_of(second)
    output = fold(told)["output"]
    same = ("type", "status", "content", "penstock")
    assert [[item[name] for name in same] for item in output] == [
        [item[name] for name in same] for item in checkpoint.items
    ]
    for kind in (events.ITEM_ADDED, events.PART_ADDED, events.PART_DONE, events.ITEM_DONE):
        assert [event["type"] for event in told].count(kind) == 2
    # What an earlier viewer may have seen of items that the log does not know was under their old ids.
    known = {event["item"]["id"] for event in events_of(first)[:left] if event["type"] == events.ITEM_ADDED}
    assert {item["id"] for item in output} & {item["id"] for item in checkpoint.items} == known


def test_a_later_attempt_takes_the_log_and_nobody_else_may_append(rows: JobFactory, log: EventLog) -> None:
    first = finished(rows)
    assert resume.read_log(first.claim, log, Cancellation()) == FoundLog(Log.EMPTY, [])
    batch = first.buffer.batch()
    assert batch
    assert log.append([batch])[0].status is AppendStatus.OK
    assert resume.read_log(rows.rescue(first.claim), log, Cancellation()) == FoundLog(Log.WHOLE, frames_of(first))
    assert log.append([batch])[0].status is AppendStatus.STALE


def test_waiting_for_redis_ends_when_the_job_has_to_stop(rows: JobFactory) -> None:
    stop = Cancellation()
    stop.request(Reason.DRAIN)
    with redis.Redis.from_url("unix:///nowhere/redis.sock") as client, pytest.raises(Stopped):
        resume.read_log(rows.rescue(rows.claim()), EventLog(client), stop)

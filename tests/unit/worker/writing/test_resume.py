"""What a later attempt takes over: the log as it was left, and finished sections that the log does not know."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis

from jobs.protocol import events
from jobs.protocol.fold import fold
from jobs.storage.attempts import Checkpoint
from jobs.transport.event_log import Append, AppendStatus, EventLog, channel
from tests.support.job_factory import JobFactory, events_of, frames_of
from tests.support.redis_server import RedisServer
from worker.attempt_state import Log, Reason
from worker.model.cancellation import Cancellation, Stopped
from worker.model.chunks import Kind
from worker.publishing.event_writer import EventWriter
from worker.publishing.frame_buffer import FrameBuffer
from worker.writing import resume
from worker.writing.resume import FoundLog
from worker.writing.section import Section

# The log of the section below has so many frames; a crash may have cut it anywhere behind the opening.
FRAMES = 21


def finished(job_factory: JobFactory) -> EventWriter:
    """A first attempt that finished its only section."""
    claim = job_factory.claim()
    writer = job_factory.writer(claim)
    writer.begin()
    section = Section(writer, 0)
    for kind, text in ((Kind.REASONING, "why"), (Kind.REASONING, " not"), (Kind.TEXT, "be"), (Kind.TEXT, "cause")):
        section.write(kind, text)
        writer.buffer.batch()
    section.finish(lambda items: job_factory.attempts.checkpoint(claim, Checkpoint(0, items, {"output_tokens": 3})))
    return writer


@pytest.mark.parametrize("left", [0, *range(2, FRAMES + 1)])
def test_invariant_5_finished_items_stay_wherever_the_log_broke_off(job_factory: JobFactory, left: int) -> None:
    first = finished(job_factory)
    assert len(frames_of(first)) == FRAMES
    claim = job_factory.rescue(first.claim)
    (checkpoint,) = claim.checkpoints
    assert [set(item["penstock"]) for item in checkpoint.items] == [{"section", "started", "ended"}] * 2
    second = job_factory.writer(replace(claim, job=replace(claim.job, created_at=0.0)), frames_of(first)[:left])
    second.begin()
    resume.restore(second, checkpoint)

    written = events_of(second)
    output = fold(written)["output"]
    same = ("type", "status", "content", "penstock")
    assert [[item[name] for name in same] for item in output] == [
        [item[name] for name in same] for item in checkpoint.items
    ]
    for kind in (events.ITEM_ADDED, events.PART_ADDED, events.PART_DONE, events.ITEM_DONE):
        assert [event["type"] for event in written].count(kind) == 2
    # What an earlier viewer may have seen of items that the log does not know was under their old ids.
    known = {event["item"]["id"] for event in events_of(first)[:left] if event["type"] == events.ITEM_ADDED}
    assert {item["id"] for item in output} & {item["id"] for item in checkpoint.items} == known


def test_a_later_attempt_takes_the_log_and_nobody_else_may_append(job_factory: JobFactory, log: EventLog) -> None:
    first = finished(job_factory)
    assert resume.read_log(first.claim, log, Cancellation()) == FoundLog(Log.EMPTY, [])
    batch = first.buffer.batch()
    assert batch
    assert log.append([batch])[0].status is AppendStatus.OK
    assert resume.read_log(job_factory.rescue(first.claim), log, Cancellation()) == FoundLog(
        Log.WHOLE, frames_of(first)
    )
    assert log.append([batch])[0].status is AppendStatus.STALE


def test_waiting_for_redis_ends_when_the_job_has_to_stop(job_factory: JobFactory) -> None:
    stop = Cancellation()
    stop.request(Reason.DRAIN)
    with redis.Redis.from_url("unix:///nowhere/redis.sock") as client, pytest.raises(Stopped):
        resume.read_log(job_factory.rescue(job_factory.claim()), EventLog(client), stop)


def half_of(first: EventWriter) -> int:
    """How many frames of the first attempt's log end in the middle of its answer."""
    kinds = [event["type"] for event in events_of(first)]
    return kinds.index(events.TEXT_DELTA) + 1


def half_written(job_factory: JobFactory, text: str) -> EventWriter:
    """A first attempt whose worker dies in the middle of its only section."""
    writer = job_factory.writer(job_factory.claim())
    writer.begin()
    Section(writer, 0).write(Kind.TEXT, text)
    writer.buffer.batch()
    return writer


def one_run_of(writer: EventWriter) -> str:
    """The section's text: the output has one run of it, and of each item its text is what its deltas add up to."""
    written = events_of(writer)
    (item,) = fold(written)["output"]
    assert item["status"] == "completed"
    for done in (event for event in written if event["type"] == events.TEXT_DONE):
        deltas = (
            event for event in written if event["type"] == events.TEXT_DELTA and event["item_id"] == done["item_id"]
        )
        assert "".join(event["delta"] for event in deltas) == done["text"]
    text: str = item["content"][0]["text"]
    return text


@pytest.mark.parametrize("words", ["other words", "half and more", "half"])
def test_a_checkpoint_takes_the_place_of_what_an_older_log_has_open(job_factory: JobFactory, words: str) -> None:
    """Attempt 2 wrote it while Redis took nothing, and died: attempt 3 finds the log of attempt 1."""
    first = half_written(job_factory, "half")
    second = job_factory.writer(job_factory.rescue(first.claim))
    second.begin()
    section = Section(second, 0)
    section.write(Kind.TEXT, words)
    section.finish(lambda items: job_factory.attempts.checkpoint(second.claim, Checkpoint(0, items, None)))
    third = job_factory.writer(job_factory.rescue(second.claim), frames_of(first))
    third.begin()
    resume.restore(third, third.claim.checkpoints[0])
    assert one_run_of(third) == words
    replaced = [event["item"]["penstock"].get("replaces") for event in events_of(third) if "item" in event]
    assert any(replaced) == (not words.startswith("half"))
    # The log of the third may break off anywhere as well.
    for left in range(len(frames_of(first)) + 1, len(frames_of(third)) + 1):
        claim = replace(third.claim, job=replace(third.claim.job, attempt=4))
        fourth = job_factory.writer(claim, frames_of(third)[:left])
        resume.restore(fourth, claim.checkpoints[0])
        assert one_run_of(fourth) == words


@pytest.mark.parametrize("checkpointed", [False, True])
def test_a_log_that_viewers_have_seen_more_of_is_not_gone_on_with(
    job_factory: JobFactory, log: EventLog, checkpointed: bool
) -> None:
    """Redis came back from an older state and the worker is dead: the same words would come twice."""
    first = half_written(job_factory, "some ")
    cut = len(frames_of(first))
    section = Section(first, 0)
    section.write(Kind.TEXT, "some words")
    first.buffer.batch()
    log.take(first.claim.job.id, 1)
    log.append([Append(first.claim.job.id, 1, 0, 0, frames_of(first)[:cut])])
    first.buffer.acknowledge(len(frames_of(first)) - 1)
    job_factory.attempts.note_progress([first.note(log.server_id())])
    if checkpointed:
        section.finish(lambda items: job_factory.attempts.checkpoint(first.claim, Checkpoint(0, items, None)))
    claim = job_factory.rescue(first.claim)
    found_log = resume.read_log(claim, log, Cancellation())
    assert found_log == FoundLog(Log.SHORT, frames_of(first)[:cut])
    buffer = FrameBuffer(claim, found_log.frames, reserve=lambda *_, **__: True, wake=lambda _: None)
    second = EventWriter(buffer, log_is_short=True)
    second.begin()
    if checkpointed:
        resume.restore(second, claim.checkpoints[0])
    else:
        again = Section(second, 0)
        again.write(Kind.TEXT, "some words")
        again.finish(lambda _items: None)
    assert one_run_of(second) == "some words"
    written = events_of(second)
    old, new = (event["item"] for event in written if event["type"] == events.ITEM_ADDED)
    assert new["penstock"]["replaces"] == old["id"]
    deltas = [event for event in written if event["type"] == events.TEXT_DELTA]
    assert [event["item_id"] for event in deltas] == [old["id"], new["id"]]


def test_a_log_with_a_hole_is_no_log(job_factory: JobFactory, log: EventLog, redis_server: RedisServer) -> None:
    first = half_written(job_factory, "half")
    job = first.claim.job.id
    log.take(job, 1)
    log.append([Append(job, 1, 0, 0, frames_of(first))])
    with redis.Redis.from_url(redis_server.url) as client:
        client.xdel(f"{channel(job)}:log", "3-1")
    assert resume.read_log(job_factory.rescue(first.claim), log, Cancellation()) == FoundLog(Log.LOST, [])


def test_a_replaced_run_without_thoughts_does_not_bring_those_of_an_older_run_back(job_factory: JobFactory) -> None:
    """The first run thought, the second did not; a later attempt thinks again, and all of it is one run."""
    first = job_factory.writer(job_factory.claim())
    first.begin()
    section = Section(first, 0)
    section.write(Kind.REASONING, "why")
    section.write(Kind.TEXT, "one")
    section.restart()
    section.write(Kind.TEXT, "two")
    first.buffer.batch()
    second = job_factory.writer(job_factory.rescue(first.claim), frames_of(first))
    second.begin()
    again = Section(second, 0)
    again.write(Kind.REASONING, "how")
    again.write(Kind.TEXT, "three")
    items: list[str] = []
    again.finish(lambda committed: items.extend(item["id"] for item in committed))
    assert [item["id"] for item in fold(events_of(second))["output"]] == items


@pytest.mark.parametrize("evidence", ["none", "another server", "removed entries"])
def test_a_redis_that_is_not_the_one_it_was_has_perhaps_forgotten(
    job_factory: JobFactory, log: EventLog, redis_server: RedisServer, evidence: str
) -> None:
    first = half_written(job_factory, "half")
    job = first.claim.job.id
    log.take(job, 1)
    log.append([Append(job, 1, 0, 0, frames_of(first))])
    server_id = "of before" if evidence == "another server" else log.server_id()
    job_factory.attempts.note_progress([first.note(server_id)])
    frames = frames_of(first)
    if evidence == "removed entries":
        frames = frames[:-1]
        with redis.Redis.from_url(redis_server.url) as client:
            client.xdel(f"{channel(job)}:log", f"{len(frames)}-1")
    state = Log.WHOLE if evidence == "none" else Log.SHORT
    assert resume.read_log(job_factory.rescue(first.claim), log, Cancellation()) == FoundLog(state, frames)


def test_a_drained_attempt_says_how_far_it_came(job_factory: JobFactory, log: EventLog) -> None:
    first = half_written(job_factory, "half")
    job = first.claim.job.id
    log.take(job, 1)
    log.append([Append(job, 1, 0, 0, frames_of(first))])
    job_factory.attempts.note_progress([first.note("a server that was stopped meanwhile")])
    job_factory.attempts.give_back(first.claim, first.buffer.freeze())
    assert resume.read_log(job_factory.claim(first.claim.job), log, Cancellation()).state is Log.WHOLE

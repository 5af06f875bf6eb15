"""How an attempt begins: it takes over what earlier ones left, and brings the log up to what the database has."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import redis
from sqlalchemy.exc import SQLAlchemyError

from jobs.protocol import events
from jobs.protocol.fold import CALL, Item, runs, words_of_part
from jobs.protocol.ids import call_number
from jobs.storage.attempts import Checkpoint, Claim, Replaced
from jobs.storage.database import is_away
from jobs.transport.event_log import AppendStatus, EventLog
from worker.attempt_state import Log, Phase, Reason, Start, start
from worker.context import WorkerContext
from worker.model.cancellation import Cancellation
from worker.publishing.event_writer import EventWriter
from worker.publishing.frame_buffer import FrameBuffer
from worker.running_jobs import RunningJob
from worker.writing.attempt_context import AttemptContext
from worker.writing.persist import persist

# Without Redis the job goes on all the same: from its row and checkpoints, as if the log were lost.
PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.5


def begin(running: RunningJob, context: WorkerContext) -> AttemptContext:
    """Take the log over, and say in it that an attempt works on the job. Raises Stopped, Replaced."""
    claim = running.claim
    cancellation = running.cancellation
    is_current = partial(context.attempts.is_current, claim)
    images = persist(partial(context.attempts.images, claim), cancellation)
    log = read_log(claim, context.log, cancellation)
    if not persist(is_current, cancellation):  # invariant 4: the row is asked once the fence is ours
        raise Replaced
    mode = start(claim.attempt, log.state)
    reserve = partial(_reserve, claim, cancellation, context)
    history = None if mode is Start.REBUILD else log.frames
    is_short = mode is Start.RESTART
    buffer = FrameBuffer(claim, history, reserve=reserve, wake=context.publisher.wake, log_is_short=is_short)
    running.writer = EventWriter(buffer, log_is_short=is_short)
    on_replaced = partial(cancellation.request, Reason.REPLACED)
    context.publisher.add(buffer, on_replaced=on_replaced, is_current=is_current)
    running.writer.begin()
    for checkpoint in claim.checkpoints:
        restore(running.writer, checkpoint)
        if checkpoint.items and (outline := checkpoint.items[0].get("outline")):
            running.writer.notes["outline"] = outline
    return AttemptContext(running.writer, cancellation, context, images)


def _reserve(
    claim: Claim, cancellation: Cancellation, context: WorkerContext, seq_mark: int, index_mark: int, *, needed: bool
) -> bool:
    raise_marks = partial(context.attempts.reserve, claim, seq_mark, index_mark)
    try:
        persist(raise_marks, cancellation) if needed else raise_marks()
    except SQLAlchemyError as error:
        if needed or not is_away(error):
            raise
        return False
    return True


@dataclass(frozen=True, slots=True)
class FoundLog:
    """What earlier attempts logged: frames that are a complete prefix, none when the log is empty or lost."""

    state: Log
    frames: list[bytes]


def read_log(claim: Claim, log: EventLog, cancellation: Cancellation) -> FoundLog:
    """Take the fence, so that only this attempt may append, and read what is there.

    A first attempt asks once, as there should be nothing to find. Raises Replaced, Stopped.
    """
    deadline = time.monotonic() + (PATIENCE_SECONDS if claim.attempt > 1 else 0.0)
    while True:
        try:
            taken = log.take(claim.job.id, claim.attempt)
            if taken.status is AppendStatus.STALE:
                raise Replaced
            frames = [frame for page in log.read(claim.job.id) for _, frame in page] if taken.tail >= 0 else []
            state = _state(claim, frames, log) if frames else Log.EMPTY
        except redis.RedisError:
            if time.monotonic() >= deadline:
                return FoundLog(Log.LOST, [])
            cancellation.check(Phase.CLAIMED)
            time.sleep(_PAUSE_SECONDS)
        else:
            return FoundLog(state, [] if state is Log.LOST else frames)


def _state(claim: Claim, frames: list[bytes], log: EventLog) -> Log:
    if not _is_whole(frames):
        return Log.LOST
    tail = events.number_of(frames[-1])
    # Redis may have come back from an older state: then viewers have seen more than it has.
    noted: dict[str, Any] = (claim.job.progress or {}).get("log") or {"tail": -1, "server": ""}
    is_older = tail < max(noted["tail"], log.last_added(claim.job.id))
    is_another_server = len({noted["server"], log.server_id()} - {""}) > 1
    is_complete = tail == claim.first - 1  # a drained attempt says in the row how far it came
    return Log.SHORT if (is_older or is_another_server) and not is_complete else Log.WHOLE


def _is_whole(frames: list[bytes]) -> bool:
    """Whether nothing is missing: numbers rise by one, but where an attempt begins."""
    numbers = [events.number_of(frame) for frame in frames]
    steps = zip(numbers, numbers[1:], frames[1:], strict=False)
    begins = f"event: {events.IN_PROGRESS}\n".encode()
    return numbers[:1] == [0] and all(after == before + 1 or frame.startswith(begins) for before, after, frame in steps)


def restore(writer: EventWriter, checkpoint: Checkpoint) -> None:
    """Bring the log up to a finished section: what is missing comes as one delta, then the ends.

    Items of the section that were begun with other words are closed, and replaced by the checkpoint's.
    """
    wires = {_slot(wire["type"], wire["id"]): wire for wire in checkpoint.items}
    items = writer.items(checkpoint.section)
    half_written = [item for item in items if item.status == "in_progress"]
    if writer.log_is_short or not all(
        _slot(item.type, item.id) in wires and _begins(item, wires[_slot(item.type, item.id)]) for item in half_written
    ):
        for item in half_written:
            writer.close_item(item, "incomplete", writer.elapsed())
    known = {_slot(item.type, item.id): item for item in items if item.status != "incomplete"}
    replaced = {_slot(item.type, item.id): item.id for item in runs(items)[-1]} if not known else {}
    for name, wire in wires.items():
        item = known.get(name) or _open(writer, checkpoint.section, wire, replaced)
        if item.status == "completed":
            continue
        for index, part in enumerate(_parts(wire)):
            if index == len(item.parts):
                writer.open_part(item, part["type"], wire["penstock"].get("started"))
            _restore_part(writer, item, index, part)
        writer.close_item(item, "completed", wire["penstock"].get("ended"))


def _slot(item_type: str, item_id: str) -> str:
    """What an item is for in its section, in which there is one of each: its type, that of a call with its number."""
    return f"{item_type} {call_number(item_id)}" if item_type == CALL else item_type


def _parts(wire: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """An item's parts. A summary beside a thought says the same, and comes with it."""
    if wire["type"] == CALL:
        return [{"type": "arguments", "text": wire["arguments"]}]
    return [*(wire["content"] or wire.get("summary", []))]


def _begins(item: Item, wire: Mapping[str, Any]) -> bool:
    """Whether an item holds nothing but what that of a checkpoint begins with."""
    parts = _parts(wire)
    is_same = (item.call_id, item.name) == (wire.get("call_id"), wire.get("name"))
    return (is_same and len(item.parts) <= len(parts)) and all(
        part.type == whole["type"]
        and (words_of_part(whole) == part.text if part.done else words_of_part(whole).startswith(part.text))
        for part, whole in zip(item.parts, parts, strict=False)
    )


def _open(writer: EventWriter, section: int, wire: Mapping[str, Any], replaced: Mapping[str, str]) -> Item:
    # Its old id may be another job's, or have been seen finished by someone who saw more of the log than is left.
    prefix, _, place_in_job = wire["id"].split("_", 2)
    item_id = f"{prefix}_{writer.claim.job.id.removeprefix('resp_')}_{place_in_job}{writer.claim.attempt}"
    place = {name: wire["penstock"].get(name) for name in ("title", "started")}
    place |= {name: wire.get(name) for name in ("call_id", "name")}
    if replaced:
        place["replaces"] = replaced.get(_slot(wire["type"], wire["id"]), next(iter(replaced.values())))
    return writer.open_item(wire["type"], item_id, section, **place)


def _restore_part(writer: EventWriter, item: Item, index: int, wire: Mapping[str, str]) -> None:
    part = item.parts[index]
    if not part.done:
        if missing := words_of_part(wire)[len(part.text) :]:
            writer.write(item, missing)
        writer.close_part(item)

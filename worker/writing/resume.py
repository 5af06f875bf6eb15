"""What a new attempt finds of the earlier ones, and how it brings the log up to what the database has."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from jobs.protocol import events
from jobs.protocol.fold import Item, runs, words_of_part
from jobs.storage.attempts import Checkpoint, Claim, Replaced
from jobs.transport.event_log import AppendStatus, EventLog
from worker.attempt_state import Log, Phase
from worker.model.cancellation import Cancellation
from worker.publishing.event_writer import EventWriter

# Without Redis the job goes on all the same: from its row and checkpoints, as if the log were lost.
PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.5


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
        except redis.RedisError:
            if time.monotonic() >= deadline:
                return FoundLog(Log.LOST, [])
            cancellation.check(Phase.CLAIMED)
            time.sleep(_PAUSE_SECONDS)
        else:
            state = _state(claim, frames)
            return FoundLog(state, [] if state is Log.LOST else frames)


def _state(claim: Claim, frames: list[bytes]) -> Log:
    if not frames:
        return Log.EMPTY
    if not _is_whole(frames):
        return Log.LOST
    # What the log was known to have: viewers may have seen it, even if Redis came back from an older state.
    logged: int = (claim.job.progress or {}).get("logged", -1)
    return Log.SHORT if events.number_of(frames[-1]) < logged else Log.WHOLE


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
    wires = {wire["type"]: wire for wire in checkpoint.items}
    items = writer.items(checkpoint.section)
    half_written = [item for item in items if item.status == "in_progress"]
    if writer.log_is_short or not all(
        item.type in wires and _begins(item, _parts(wires[item.type])) for item in half_written
    ):
        for item in half_written:
            writer.close_item(item, "incomplete", writer.elapsed())
    known = {item.type: item for item in items if item.status != "incomplete"}
    replaced = {item.type: item.id for item in runs(items)[-1]} if not known else {}
    for item_type, wire in wires.items():
        item = known.get(item_type) or _open(writer, checkpoint.section, wire, replaced)
        if item.status == "completed":
            continue
        for index, part in enumerate(_parts(wire)):
            if index == len(item.parts):
                writer.open_part(item, part["type"], wire["penstock"].get("started"))
            _restore_part(writer, item, index, part)
        writer.close_item(item, "completed", wire["penstock"].get("ended"))


def _parts(wire: Mapping[str, Any]) -> list[Mapping[str, str]]:
    return [*wire.get("summary", ()), *wire["content"]]


def _begins(item: Item, parts: Sequence[Mapping[str, str]]) -> bool:
    """Whether an item holds nothing but what these parts begin with."""
    return len(item.parts) <= len(parts) and all(
        part.type == whole["type"]
        and (words_of_part(whole) == part.text if part.done else words_of_part(whole).startswith(part.text))
        for part, whole in zip(item.parts, parts, strict=False)
    )


def _open(writer: EventWriter, section: int, wire: Mapping[str, Any], replaced: Mapping[str, str]) -> Item:
    # Its old id may have been seen finished by someone who saw more of the log than is left.
    item_id = f"{wire['id']}{writer.claim.attempt}"
    place = {name: wire["penstock"].get(name) for name in ("title", "started")}
    if replaced:
        place["replaces"] = replaced.get(wire["type"], next(iter(replaced.values())))
    return writer.open_item(wire["type"], item_id, section, **place)


def _restore_part(writer: EventWriter, item: Item, index: int, wire: Mapping[str, str]) -> None:
    part = item.parts[index]
    if not part.done:
        if missing := words_of_part(wire)[len(part.text) :]:
            writer.write(item, missing)
        writer.close_part(item)

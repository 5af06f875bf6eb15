"""What a later attempt finds of the earlier ones, and how it brings the log up to what the database has."""

from __future__ import annotations

import time

import redis

from jobs.protocol import events
from jobs.protocol.fold import Item, words_of_part
from jobs.storage.attempts import Checkpoint, Claim
from jobs.transport.event_log import EventLog
from worker.model.cancellation import Cancellation
from worker.publishing.event_writer import EventWriter

# Without Redis the job goes on all the same: from its row and checkpoints, as if the log were lost.
PATIENCE_SECONDS = 10.0


def history(claim: Claim, log: EventLog, cancellation: Cancellation) -> list[bytes]:
    """The frames that earlier attempts logged, once only this one may add to them; [] if there are none.

    Raises Stopped.
    """
    if claim.attempt == 1:
        return []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            log.take(claim.job.id, claim.attempt)
            frames = [frame for page in log.read(claim.job.id) for _, frame in page]
            return frames if _is_whole(frames) else []
        except redis.RedisError:
            cancellation.wait(0.5)
    return []


def _is_whole(frames: list[bytes]) -> bool:
    """Whether nothing is missing: numbers rise by one, but where an attempt begins."""
    numbers = [events.number_of(frame) for frame in frames]
    steps = zip(numbers, numbers[1:], frames[1:], strict=False)
    begins = f"event: {events.IN_PROGRESS}\n".encode()
    return numbers[:1] == [0] and all(after == before + 1 or frame.startswith(begins) for before, after, frame in steps)


def restore(writer: EventWriter, checkpoint: Checkpoint) -> None:
    """Bring the log up to a finished section: what is missing comes as one delta, then the ends."""
    for wire in checkpoint.items:
        known = [item for item in writer.items(checkpoint.section) if item.type == wire["type"]]
        if any(item.status == "completed" for item in known):
            continue
        item = next((item for item in known if item.id == wire["id"]), None)
        place = wire["penstock"]
        started = place.get("started")
        if item is None:
            # Its old id may have been seen finished by someone who saw more of the log than is left.
            name = f"{wire['id']}{writer.claim.attempt}"
            item = writer.open_item(wire["type"], name, checkpoint.section, title=place.get("title"), started=started)
        for index, part in enumerate([*wire.get("summary", ()), *wire["content"]]):
            if index == len(item.parts):
                writer.open_part(item, part["type"], started)
            _restore_part(writer, item, index, part)
        writer.close_item(item, "completed", place.get("ended"))


def _restore_part(writer: EventWriter, item: Item, index: int, wire: dict[str, str]) -> None:
    part = item.parts[index]
    if not part.done:
        if missing := words_of_part(wire)[len(part.text) :]:
            writer.write(item, missing)
        writer.close_part(item)

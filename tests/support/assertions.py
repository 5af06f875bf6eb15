"""What viewers have seen of a job, and whether it agrees with what is stored."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import openai

from jobs.protocol import events
from jobs.protocol.fold import fold, text_of
from jobs.protocol.transcript import read
from jobs.storage.database import Database
from jobs.storage.schema import jobs, transcripts
from jobs.storage.store import Store
from tests.support.stack import Stack, Viewer

KIND = {"completed": events.COMPLETED, "failed": events.FAILED}


def follow(client: openai.OpenAI, job_id: str, **options: Any) -> list[Any]:
    """A job's events up to its end."""
    return list(client.responses.retrieve(job_id, stream=True, **options))


def ended(client: openai.OpenAI, job_id: str) -> Any:
    """A job's response, once it has ended."""
    return follow(client, job_id)[-1].response


def text_in(stream: Sequence[Any]) -> str:
    """All text of answers that these events carry, that of runs which were replaced too."""
    return "".join(event.delta for event in stream if event.type == events.TEXT_DELTA)


def types_in(stream: Sequence[Any]) -> list[str]:
    """The types of these events, a run of deltas as one."""
    types = [event.type for event in stream]
    return [kind for kind, before in zip(types, [None, *types], strict=False) if kind != before]


def everything_about(stack: Stack, job_id: str) -> tuple[Any, ...]:
    """A job's row, transcript and log."""
    with stack.database.read() as connection:
        kept = connection.execute(transcripts.select().where(transcripts.c.job_id == job_id)).all()
    key = f"penstock:{{{job_id}}}"
    return row_of(stack.database, job_id), kept, stack.redis.xrange(f"{key}:log"), stack.redis.get(f"{key}:fence")


def assert_in_order(stream: Sequence[Any], attempts: int = 1) -> None:
    """Every event once, numbered by one within each of so many attempts, and one end."""
    starts = [number for number, event in enumerate(stream) if event.type == events.IN_PROGRESS]
    assert len(starts) == attempts
    numbers = [event.sequence_number for event in stream]
    for begin, end in itertools.pairwise([0, *starts[1:], len(stream)]):
        assert numbers[begin:end] == list(range(numbers[begin], numbers[begin] + end - begin))
    assert numbers == sorted(set(numbers))
    assert [event.type in events.TERMINAL for event in stream] == [False] * (len(stream) - 1) + [True]


def row_of(database: Database, job_id: str) -> Any:
    """The job's row, with a column an attribute."""
    with database.read() as connection:
        return connection.execute(jobs.select().where(jobs.c.id == job_id)).one()


def assert_one_end(database: Database, job_id: str, seen: Sequence[Any] = ()) -> dict[str, Any]:
    """All that tells of a job's end tells the same; so do the events that somebody has `seen`. The response."""
    row = row_of(database, job_id)
    stored: dict[str, Any] = json.loads(row.response)
    frames = [frame for page in read(Store(database).transcript(job_id) or b"") for frame in page]
    logged = list(events.events_of(frames))
    last = logged[-1]

    assert [event["type"] in events.TERMINAL for event in logged] == [False] * (len(logged) - 1) + [True]
    assert last["type"] == KIND.get(row.status, events.INCOMPLETE)
    assert stored == last["response"] == fold(logged)
    assert stored["status"] == row.status
    digest = hashlib.sha256(text_of(stored).encode()).hexdigest()
    assert row.sha256 == stored["penstock"]["sha256"] == digest
    numbers = [event["sequence_number"] for event in logged]
    assert numbers == sorted(set(numbers))
    if seen:
        known = {event["sequence_number"]: event for event in logged}
        for event in seen:
            assert event.type == known[event.sequence_number]["type"]
            assert getattr(event, "delta", None) == known[event.sequence_number].get("delta")
        first = numbers.index(seen[0].sequence_number)
        seen_numbers = [event.sequence_number for event in seen]
        assert seen_numbers == numbers[first:], f"seen {seen_numbers}, stored {numbers}"
    return stored


def assert_bought_once(stack: Stack, viewers: Mapping[str, Viewer]) -> None:
    """Each job, by the name in its prompt, has gone through on its first attempt, as its viewer saw it."""
    for name, viewer in viewers.items():
        found = viewer.ended()
        assert_in_order(found)
        final = assert_one_end(stack.database, found[0].response.id, found)
        assert (final["status"], final["penstock"]["attempt"]) == ("completed", 1)
        assert row_of(stack.database, final["id"]).rescues == 0
        assert stack.model.stats(name)["requests"] == 1

"""What was asked and what was written stays in the database, the log and the answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.support.assertions import follow
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import create, fetch, request

MARKER = "Xanadu4711"
LONGEST = 1003  # of a line in the log


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[Stack]:
    """A Penstock that logs all it can, still without a worker."""
    with running_stack(tmp_path / "data", workers=0, PENSTOCK_LOG_LEVEL="debug", PENSTOCK_LOG_FORMAT="json") as running:
        yield running


def held_outside_of_logs(running: Stack) -> bytes:
    """All bytes that Redis holds but for the jobs' own keys, and what Celery's messages say in base64."""
    redis: Any = running.redis
    readers = {
        b"string": redis.get,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1),
        b"hash": redis.hgetall,
    }
    keys = [key for key in redis.scan_iter() if not key.startswith(b"penstock:{")]
    held = [repr((key, readers[redis.type(key)](key))).encode() for key in keys]
    messages = [json.loads(message) for message in redis.lrange("penstock:celery:penstock", 0, -1)]
    return b"".join(held) + b"".join(base64.b64decode(message["body"]) for message in messages)


def test_invariant_10_ids_only_in_the_queue(talkative: Stack) -> None:
    scripts = ("tokens=60", "status=401", "tokens=60 error=40", "badjson=40", "drop=40", "nostream nodone=9", "html")
    jobs = [
        create(
            talkative.url,
            input=f"{MARKER} {number} [[demo {script}]]",
            instructions=f"Speak of {MARKER}.",
            metadata={MARKER: MARKER},
            user=MARKER,
        )["id"]
        for number, script in enumerate(scripts)
    ]
    story = {"id": "story", "variables": {"topic": MARKER}}
    jobs.append(create(talkative.url, prompt=story)["id"])
    wait_for(lambda: all(job.encode() in held_outside_of_logs(talkative) for job in jobs))
    held = held_outside_of_logs(talkative)
    assert MARKER.encode() not in held

    worker = talkative.start_worker()
    with talkative.client() as client:
        ends = [follow(client, job)[-1].response for job in jobs]
        with pytest.raises(openai.BadRequestError, match=MARKER):
            client.responses.create(input="x", prompt={"id": MARKER})
    assert {end.status for end in ends} == {"completed", "failed"}
    assert MARKER in ends[0].output_text
    for path in (f"/jobs/{jobs[0]}.md", f"/jobs/{jobs[0]}", f"/{MARKER}"):
        with request(talkative.url, path) as answer:
            assert MARKER in answer.read().decode() or answer.status == 404
    fetch(talkative.url, f"/v1/responses/{jobs[0]}", method="DELETE")
    assert MARKER.encode() not in held_outside_of_logs(talkative)
    logs = {process.log.name: process.log.read_text() for process in (*talkative.workers, *talkative.webs)}
    assert worker.end() == 0
    for name, log in logs.items():
        assert MARKER not in log, name
        assert "anadu" not in log, name  # nor a part of it; its digits could stand in any id
    lines = [json.loads(line) for log in logs.values() for line in log.splitlines() if line]
    assert max(len(line["event"]) for line in lines) <= LONGEST
    about = [line for line in lines if line.get("job") == jobs[0]]
    assert [line["attempt"] for line in about if line["event"] == "job ends: completed"] == [1]
    (accepted,) = (line for line in about if line["event"] == "POST /v1/responses 200")
    assert accepted["request"].startswith("req_")
    assert any(line["event"] == "GET none 404" for line in lines)

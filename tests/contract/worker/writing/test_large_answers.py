"""An answer of megabytes under the settings that everybody has: written, stored, replayed and downloaded whole."""

from __future__ import annotations

import json

from jobs.protocol import events
from tests.support.assertions import assert_one_end
from tests.support.stack import Stack
from tests.support.wire import create, fetch, raw_stream, request

SIZE = 2_000_000
# The model says it again and again. It comes in one chunk, as from servers that send several tokens at once:
# with two million bytes of a few in each chunk, the model alone would take a minute.
LINE = "“Ünïcödé—🜂”" * 5


def said() -> str:
    """What the model answers to `question()`."""
    return json.dumps([LINE] * (SIZE // len(LINE.encode())), ensure_ascii=False, indent=1)


def question() -> str:
    """What makes the demo model say that: it fills in a schema that it finds in a message."""
    schema = {"type": "array", "minItems": SIZE // len(LINE.encode()), "items": {"const": LINE}}
    return f"How long can an answer be? JSON schema:\n{json.dumps(schema)}"


def deltas(frames: list[bytes]) -> str:
    return "".join(event["delta"] for event in events.events_of(frames) if event["type"] == events.TEXT_DELTA)


def test_an_answer_of_two_megabytes_is_whole_everywhere(penstock: Stack) -> None:
    text = said()
    assert len(text.encode()) > SIZE
    job = create(penstock.url, input=question())["id"]
    live = raw_stream(penstock.url, job)
    frames = events.split(live)
    assert deltas(frames) == text

    _, final = fetch(penstock.url, f"/v1/responses/{job}")
    assert (final["status"], final["output"][0]["content"][0]["text"]) == ("completed", text)
    assert assert_one_end(penstock.database, job) == final

    assert raw_stream(penstock.url, job) == live
    middle = len(frames) // 2
    assert raw_stream(penstock.url, job, events.number_of(frames[middle])) == b"".join(frames[middle + 1 :])
    for suffix in ("md", "txt"):
        with request(penstock.url, f"/jobs/{job}.{suffix}") as answer:
            assert answer.read() == text.encode(), suffix

"""How an answer ended, by what model servers really send: what is an end, what is none, and what comes after one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.raw_answer import BODY, STOP, read, whole
from tests.support.raw_server import DONE, HEAD, RESET, USAGE, Reply, chunk, data, events
from worker.model.answer.finish_reason import End
from worker.model.errors import ModelError

GOOD = [
    "stop",
    "STOP",
    "Stop",
    "eos",
    "eos_token",
    "end_turn",
    "stop_sequence",
    "COMPLETE",
    "FinishReason.STOP",
    "eosFound",
    "endTurn",
]
LENGTH = [
    "length",
    "MAX_TOKENS",
    "max_tokens",
    "model_length",
    "max_new_tokens",
    "model_context_window_exceeded",
    "maxPredictedTokensReached",
    "limit",
]
FILTERED = [
    "content_filter",
    "SAFETY",
    "sensitive",
    "content_filter: RECITATION",
    "PROHIBITED_CONTENT",
    "refusal",
    "guardrail_intervened",
]
BROKEN = ["abort", "error", "insufficient_system_resource", "network_error", "OTHER", "cancelled", "load", "banana"]
BROKEN += [
    "unfinished",
    "stopwatch",
    "MALFORMED_FUNCTION_CALL",
    "rate_limit",
    "pause_turn",
    "userStopped",
    "ERROR",
    "connection_refused",
]


@pytest.mark.parametrize("form", ["streamed", "whole"])
@pytest.mark.parametrize(
    ("finish", "end"),
    [
        *((word, End.GOOD) for word in GOOD),
        *((word, End.LENGTH) for word in LENGTH),
        *((word, End.FILTER) for word in FILTERED),
        ("tool_calls", End.TOOL),
        ("function_call", End.TOOL),
    ],
)
def test_a_named_end_is_what_it_says(finish: str, end: End, form: str) -> None:
    reply = whole(finish) if form == "whole" else events(chunk("Yes."), chunk(finish=finish), USAGE, DONE)
    result = read(reply)
    assert (result.text, result.reader.end) == ("Yes.", end)


@pytest.mark.parametrize("form", ["streamed", "whole"])
@pytest.mark.parametrize("finish", BROKEN)
def test_invariant_6_never_false_success_by_an_unknown_end(finish: str, form: str) -> None:
    reply = whole(finish) if form == "whole" else events(chunk("Yes."), chunk(finish=finish), USAGE, DONE)
    with pytest.raises(ModelError, match="broke the answer off") as caught:
        read(reply)
    assert finish in caught.value.message
    assert caught.value.transient


@pytest.mark.parametrize("form", ["streamed", "whole"])
@pytest.mark.parametrize("finish", [None, "", "null", "None", False, "FINISH_REASON_UNSPECIFIED"], ids=repr)
def test_invariant_6_never_false_success_without_an_end(finish: Any, form: str) -> None:
    reply = whole(finish) if form == "whole" else events(chunk("Ye", finish), chunk("s.", finish), USAGE, DONE)
    with pytest.raises(ModelError, match="ended before its answer did"):
        read(reply)


def test_null_in_each_chunk_is_no_end_and_a_good_one_after_it_is() -> None:
    result = read(events(chunk("Ye", "null"), chunk("s.", "null"), STOP, USAGE, DONE))
    assert (result.text, result.reader.end) == ("Yes.", End.GOOD)
    assert result.reader.usage == {"input_tokens": 7, "cached_tokens": 0, "output_tokens": 3, "reasoning_tokens": 0}


CHUNKED = HEAD.replace(b"Connection", b"Transfer-Encoding: chunked\r\nConnection")
AFTER = {
    "reset": events(BODY, end=RESET),
    "incomplete chunked read": Reply([CHUNKED, b"%x\r\n%b\r\n" % (len(BODY), BODY)]),
    "a chunk that promises more": Reply([CHUNKED, b"%x\r\n%b\r\n" % (len(BODY), BODY), b"ff\r\ndata: "]),
    "too short a body": Reply([HEAD.replace(b"Connection", b"Content-Length: 9999\r\nConnection"), BODY]),
    "an error object": events(BODY, data({"error": {"message": "lost", "code": 500}})),
    "an error event": events(BODY, b"event: error\ndata: lost\n\n"),
    "a malformed line": events(BODY, b"data: {\n\n"),
    "another, unknown end": events(BODY, chunk(finish="error")),
    "no [DONE]": events(BODY),
    "nonsense": events(BODY, b"\xff\xfe\n\ndata: 5\n\ndata: []\n\n"),
}


@pytest.mark.parametrize("name", AFTER)
def test_what_goes_wrong_after_a_good_end_loses_nothing(name: str) -> None:
    result = read(AFTER[name])
    assert (result.text, result.reader.end) == ("Yes.", End.GOOD)


def test_a_filter_that_speaks_after_the_end_is_heard() -> None:
    assert read(events(BODY, chunk(finish="content_filter"), DONE)).reader.end is End.FILTER

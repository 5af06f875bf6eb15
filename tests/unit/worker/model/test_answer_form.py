"""The forms in which model servers send an answer, byte by byte, and what of it is thought or refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.raw_answer import BODY, STOP, read, whole
from tests.support.raw_server import DONE, HEAD, USAGE, Reply, chunk, data, events, http
from worker.model.answer.finish_reason import End

AZURE: dict[str, Any] = {
    "choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {}, "content_filter_results": {}}]
}
OTHER_INDEX = {"choices": [{"index": 3, "delta": {"content": "Yes."}, "finish_reason": "stop"}]}
PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Yes."}]
FORMS = {
    "no delta": events(chunk("Yes."), data(AZURE), STOP, DONE),
    "null delta beside the end": events(
        chunk("Yes."), data({"choices": [{"delta": None, "finish_reason": "stop"}]}), DONE
    ),
    "no delta beside the end": events(chunk("Yes."), data({"choices": [{"finish_reason": "stop"}]}), DONE),
    "no choices first": events(data({"choices": [], "prompt_filter_results": []}), chunk("Yes."), STOP),
    "null choices": events(data({"choices": None}), chunk("Yes."), STOP),
    "choices of nonsense": events(data({"choices": [5]}), data({"choices": {}}), data({"choices": [[]]}), BODY),
    "message for delta": events(data({"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]})),
    "message piece by piece": events(
        *(data({"choices": [{"message": {"content": text}}]}) for text in ("Ye", "s.")), STOP
    ),
    "the whole once more": events(
        chunk("Ye"), chunk("s."), data({"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]})
    ),
    "another index": events(data(OTHER_INDEX)),
    "parts": events(chunk(content=PARTS), STOP),  # type: ignore[arg-type]
    "a part alone": events(chunk(content={"type": "text", "text": "Yes."}), STOP),  # type: ignore[arg-type]
    "old completions": events(data({"choices": [{"text": "Yes.", "finish_reason": "stop"}]})),
    "no object": events(data("5"), data("null"), data('"x"'), data("[1]"), data("true"), BODY),
    "null everywhere": events(chunk("Yes.", role=None, tool_calls=None, function_call=None, refusal=None), STOP),
    "odd tools": events(chunk("Yes.", tool_calls=[{"function": None}, 5, {"id": "x"}]), STOP),
    "odd role": events(chunk("Yes.", role="model"), STOP),
    "odd usage": events(BODY, data({"choices": [], "usage": {"prompt_tokens": None, "completion_tokens": "x"}})),
    "odd usage details": events(BODY, data({"choices": [], "usage": {"prompt_tokens": 1, "prompt_tokens_details": 5}})),
    "usage in each": events(
        data({"choices": [{"delta": {"content": "Yes."}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}), STOP
    ),
    "retry, id and ping": events(b"retry: 3000\n\nid: 1\n\nevent: ping\ndata:\n\nevent: ping\ndata: {}\n\n", BODY),
    "byte order mark": events(b"\xef\xbb\xbf" + BODY),
    "comments": events(b": keep-alive\n\n", b": OPENROUTER PROCESSING\n\n", BODY, b":\n\n"),
    "carriage returns": events(BODY.replace(b"\n", b"\r\n")),
    "carriage returns alone": events(BODY.replace(b"\n", b"\r")),
    "no space": events(BODY.replace(b"data: ", b"data:")),
    "single bytes": Reply([HEAD, *(BODY[at : at + 1] for at in range(len(BODY)))]),
    "line ends cut in two": Reply([HEAD, *BODY.replace(b"\n", b"\r\n").partition(b"\r\n")[:1], b"\r", b"\n\r\n", STOP]),
    "no blank lines": events((chunk("Yes.") + STOP).replace(b"\n\n", b"\n")),
    "no last line end": events(chunk("Yes."), STOP.rstrip()),
    "data in two lines": events(
        b'data: {"choices": [{"delta": {"content": "Yes."},\ndata: "finish_reason": "stop"}]}\n\n'
    ),
    "bare lines of JSON": events(*(line.removeprefix(b"data: ") for line in (chunk("Yes."), STOP))),
    "lines of JSON by name": Reply([HEAD.replace(b"event-stream", b"x-ndjson"), chunk("Yes.")[6:-1], STOP[6:-1]]),
    "an event stream called JSON": Reply([HEAD.replace(b"text/event-stream", b"application/json"), BODY]),
    "named events": events(b"event: message\n" + chunk("Yes."), b"event: completion\n" + STOP),
    "a whole answer": whole("stop"),
    "a whole answer, indented": http(
        200, json.dumps({"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]}, indent=2)
    ),
    "NaN": events(data('{"choices": [{"delta": {"content": "Yes."}, "logprobs": NaN}]}'), STOP),
}


@pytest.mark.parametrize("name", FORMS)
def test_an_answer_in_any_form_is_read(name: str) -> None:
    result = read(FORMS[name])
    assert (result.text, result.reader.end) == ("Yes.", End.GOOD)
    assert result.reasoning == ("hm" if name == "parts" else "")


@pytest.mark.parametrize("bad", [b"\xff", b"\xe4\xbd", b"\xed\xa0\x80"])
def test_bytes_that_are_no_text_are_replaced(bad: bytes) -> None:
    body = chunk("so @ it").replace(b"@", bad)
    result = read(events(body, STOP))
    assert result.text.startswith("so \ufffd")
    assert result.text.endswith(" it")


@pytest.mark.parametrize(
    "pieces",
    [
        [chunk("hm\n"), chunk("</think>"), chunk("\n\nYes.")],
        [chunk("hm"), chunk("</thi"), chunk("nk>Yes.")],
        [chunk(reasoning_content="hm"), chunk("</think>Yes.")],
        [chunk(reasoning_content="h"), chunk("m</think>"), chunk("Yes.")],
        [chunk(reasoning="hm"), chunk("Yes.")],
        [chunk(reasoning_content="<think>hm</think>"), chunk("Yes.")],
        [chunk(reasoning_content="hm</think>Yes.")],
        [chunk(reasoning_details=[{"type": "reasoning.text", "text": "hm"}]), chunk("Yes.")],
        [chunk(thinking="hm"), chunk("Yes.")],
        [chunk("<thinking>hm</thinking>Yes.")],
        [chunk("[THINK]hm[/THINK]Yes.")],
        [chunk("<seed:think>hm</seed:think>Yes.")],
        [chunk("<thought>\nhm</thought>\nYes.")],
    ],
)
def test_a_thought_is_never_the_answer(pieces: list[bytes]) -> None:
    result = read(events(*pieces, STOP, USAGE, DONE))
    assert (result.reasoning.strip(), result.text) == ("hm", "Yes.")
    assert result.reader.has_text


def test_an_answer_of_thoughts_alone_has_no_text() -> None:
    for piece in (chunk(reasoning_content="hm"), chunk("<think>hm</think>\n"), chunk("hm</think>")):
        result = read(events(piece, STOP, DONE))
        assert (result.reasoning, result.text.strip(), result.reader.has_text) == ("hm", "", False)


@pytest.mark.parametrize("form", ["streamed", "whole", "part"])
def test_a_refusal_is_kept_apart(form: str) -> None:
    message = {"content": None, "refusal": "I cannot."}
    reply = {
        "streamed": events(chunk(refusal="I can"), chunk(refusal="not."), STOP, DONE),
        "whole": http(200, {"choices": [{"message": message, "finish_reason": "stop"}]}),
        "part": events(chunk(content=[{"type": "refusal", "refusal": "I cannot."}]), STOP),  # type: ignore[arg-type]
    }[form]
    result = read(reply)
    assert (result.refusal, result.text, result.reader.end) == ("I cannot.", "", End.GOOD)

"""What model servers really send, byte by byte: what an answer is read as, and what is a fault in whose words."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from jobs.settings import Settings
from tests.support.job_factory import accepted
from tests.support.raw_server import (
    DONE,
    HEAD,
    RESET,
    USAGE,
    RawServer,
    Reply,
    answer,
    chunk,
    data,
    events,
    http,
    raw_server,
)
from worker.model import call
from worker.model.answer.finish_reason import End
from worker.model.cancellation import Cancellation, Timeouts
from worker.model.chat_model import Models
from worker.model.chunks import ChunkReader, Kind
from worker.model.errors import Cause, ModelError
from worker.model.request import ModelRequest

STOP = chunk(finish="stop")


@dataclass
class Read:
    """An answer as a generation reads it."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    reader: ChunkReader = field(default_factory=ChunkReader)


def ask(server: RawServer, models: Models | None = None, **body: Any) -> Read:
    """Ask once. Raises ModelError."""
    read = Read()
    models = models or Models(Settings.load(openai_base_url=server.url, openai_api_key="k"))
    model_request = ModelRequest.for_job(accepted(**{"model": "raw", "input": "hi", **body}))
    with Cancellation().call(Timeouts(10, 10, 10)):
        for kind, text in filter(None, read.reader.pieces(call.stream(models, model_request))):
            match kind:
                case Kind.RETRACTION:
                    read.reasoning, read.text = read.reasoning + read.text, ""
                case Kind.TEXT:
                    read.text += text
                case Kind.REFUSAL:
                    read.refusal += text
                case _:
                    read.reasoning += text
    read.reader.check_end()
    return read


def read(reply: Reply, **body: Any) -> Read:
    """The answer in one reply, which is asked for once."""
    with raw_server(reply) as server:
        try:
            return ask(server, **body)
        finally:
            assert server.requests == 1


# -- A: the end of an answer ---------------------------------------------------------------------------------------

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


def whole(finish: Any, text: str = "Yes.") -> Reply:
    message = {"role": "assistant", "content": text}
    return http(
        200, {"id": "1", "object": "chat.completion", "choices": [{"message": message, "finish_reason": finish}]}
    )


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


# -- D: what comes after a good end --------------------------------------------------------------------------------

CHUNKED = HEAD.replace(b"Connection", b"Transfer-Encoding: chunked\r\nConnection")
BODY = chunk("Yes.") + STOP
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


# -- B, C, Q: the form of a stream ---------------------------------------------------------------------------------

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


# -- R, Q: errors --------------------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[Reply, str, bool]] = {
    "a code inside a 200": (events(data({"error": {"code": 400, "message": "too long"}})), "too long", False),
    "as text": (events(data({"error": {"code": "400", "message": "too long"}})), "too long", False),
    "without a stream": (http(200, {"error": {"code": 400, "message": "too long"}}), "too long", False),
    "in a list": (http(200, [{"error": {"code": 400, "message": "too long"}}]), "too long", False),
    "after text": (events(chunk("Ye"), data({"error": {"code": 422, "message": "no"}})), "no", False),
    "by its type": (events(data({"error": {"type": "invalid_request_error", "message": "no"}})), "no", False),
    "a server's": (events(data({"error": {"code": 502, "message": "upstream"}})), "upstream", True),
    "a text": (events(data({"error": "out of memory"})), "out of memory", True),
    "vllm": (events(data({"object": "error", "message": "bad", "type": "BadRequestError", "code": 400})), "bad", False),
    "vllm, internal": (events(data({"object": "error", "message": "dead", "code": 500})), "dead", True),
    "an event": (events(b"event: error\n" + data({"message": "lost it"})), "lost it", True),
    "an event of text": (events(b"event: error\ndata: lost it\n\n"), "lost it", True),
    "a bare line": (events(b'{"error": {"message": "lost it"}}\n'), "lost it", True),
    "anthropic": (
        events(data({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})),
        "busy",
        True,
    ),
    "in the choice": (
        events(data({"choices": [{"error": {"message": "lost it", "code": 502}, "finish_reason": "error"}]})),
        "lost it",
        True,
    ),
    "detail": (http(400, {"detail": [{"loc": ["body"], "msg": "no such field"}]}), "400: no such field", False),
    "no JSON": (
        http(500, "<html><body><h1>Bad Gateway</h1></body></html>", kind="text/html"),
        "500: Bad Gateway",
        True,
    ),
    "no body": (http(500, ""), "answered 500", True),
    "a web page": (http(200, "<!doctype html><p>Hi", kind="text/html"), "a web page", False),
    "malformed": (events(b"data: {\n\n"), "malformed line", True),
    "half a whole answer": (http(200, '{"choices": [{"mess'), "malformed line", True),
    "nothing": (events(), "ended before its answer did", True),
    "only [DONE]": (events(DONE), "ended before its answer did", True),
    "reset": (events(chunk("Ye"), end=RESET), "connection to the model server", True),
    "empty purse": (http(429, {"error": {"code": "insufficient_quota", "message": "pay"}}), "pay", False),
    "deep": (events(data("[" * 100_000)), "malformed line", True),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_keeps_the_providers_words(name: str) -> None:
    reply, words, transient = ERRORS[name]
    with pytest.raises(ModelError) as caught:
        read(reply)
    assert words in caught.value.message
    assert caught.value.transient is transient
    assert "Error(" not in caught.value.message


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        (["Retry-After: 7"], 7, 7),
        (["retry-after-ms: 1500", "Retry-After: 9"], 1.5, 1.5),
        (["Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"], 0, 0),
        (["Retry-After: Thu, 31 Dec 2037 23:59:59 GMT"], 1e6, 1e10),
    ],
)
def test_the_wish_of_a_server_is_read(headers: list[str], low: float, high: float) -> None:
    with pytest.raises(ModelError) as caught:
        read(http(429, {"error": {"message": "slow down"}}, *headers))
    assert caught.value.retry_after is not None
    assert low <= caught.value.retry_after <= high
    assert (caught.value.cause, caught.value.code) == (Cause.LIMITED, "rate_limit_exceeded")


@pytest.mark.parametrize("wish", ["soon", "-5", "nan", "inf", ""])
def test_a_wish_that_is_none_is_ignored(wish: str) -> None:
    with pytest.raises(ModelError) as caught:
        read(http(503, {"error": "busy"}, f"Retry-After: {wish}"))
    assert caught.value.retry_after is None


def test_secrets_are_taken_out_of_errors() -> None:
    key, password = "sk-very-secret-key-123456", "hunter2secret"
    echo = http(401, {"error": {"message": f"Incorrect API key provided: {key}; Bearer {key}; {password}"}})
    with raw_server(echo) as server:
        plain = server.url
        url = plain.replace("http://", f"http://me:{password}@")
        models = Models(Settings.load(openai_base_url=url, openai_api_key=key))
        with pytest.raises(ModelError) as caught:
            ask(server, models)
    assert "Incorrect API key provided" in caught.value.message
    with pytest.raises(ModelError) as gone:  # the server is no more
        ask(server, models)
    assert gone.value.cause is Cause.AWAY
    assert plain in gone.value.message
    for fault in (caught.value, gone.value):
        assert key not in fault.message
        assert password not in fault.message


# -- E, refusals: what is no answer --------------------------------------------------------------------------------


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


# -- F and what servers refuse -------------------------------------------------------------------------------------

SCHEMA = {"type": "json_schema", "name": "yes", "schema": {"type": "object"}}
TURNS = [
    {"role": "user", "content": "one"},
    {"role": "developer", "content": "be brief"},
    {"role": "user", "content": "two"},
]


def roles(body: dict[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


def test_all_that_systems_say_is_one_message_and_the_first() -> None:
    with raw_server(answer()) as server:
        ask(server, instructions="be kind", input=TURNS)
    (body,) = server.bodies
    assert roles(body) == ["system", "user", "user"]
    assert body["messages"][0]["content"] == "be kind\n\nbe brief"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "System role not supported"),
        (500, "Jinja Exception: System message must be at the beginning."),
        (400, "Only user and assistant roles are supported!"),
        (400, "Conversation roles must alternate user/assistant/user/assistant/..."),
        (500, {"error": {"code": 500, "message": "roles must alternate", "type": "server_error"}}),
    ],
)
def test_a_template_without_a_system_role_gets_none_from_then_on(status: int, words: Any) -> None:
    refusal = http(status, words if isinstance(words, dict) else {"error": {"message": words}})

    def strict(body: dict[str, Any]) -> Reply:
        names = roles(body)
        plain = "system" not in names and all(name != after for name, after in zip(names, names[1:], strict=False))
        return answer() if plain or ("alternate" not in str(words) and "system" not in names) else refusal

    with raw_server(strict) as server:
        models = Models(Settings.load(openai_base_url=server.url))
        for _ in range(2):
            assert ask(server, models, instructions="be kind", input=TURNS).text == "Yes."
    last = server.bodies[-1]["messages"]
    assert [message["role"] for message in last][0] == "user"
    assert last[0]["content"].startswith("be kind\n\nbe brief\n\none")
    assert server.requests <= 4


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (500, "[{'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be 'text' or 'json_object'\"}]"),
        (400, "This response_format type is unavailable now"),
        (501, "json_schema is not supported"),
        (400, "structured outputs are not supported by this model"),
    ],
)
def test_a_format_that_a_server_refuses_is_told_in_words(status: int, words: str) -> None:
    def strict(body: dict[str, Any]) -> Reply:
        refused = body.get("response_format", {}).get("type") == "json_schema"
        return http(status, {"error": {"message": words}}) if refused else answer("{}")

    with raw_server(strict) as server:
        models = Models(Settings.load(openai_base_url=server.url))
        for _ in range(2):
            assert ask(server, models, instructions="be kind", text={"format": SCHEMA}).text == "{}"
    assert server.requests == 3
    for body in server.bodies[1:]:
        assert roles(body) == ["system", "user"]
        assert body["messages"][0]["content"].startswith("be kind\n\nAnswer with one JSON object")


def test_an_error_that_names_a_feature_inside_a_200_is_learnt_from_too() -> None:
    refusal = events(data({"error": {"code": 400, "message": "stream_options is not supported"}}))
    with raw_server(refusal, answer()) as server:
        assert ask(server).text == "Yes."
    assert ["stream_options" in body for body in server.bodies] == [True, False]


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are bad"}]},
        {"error": {"message": "Unknown parameter", "param": "stream_options", "type": "invalid_request_error"}},
        {"object": "error", "message": "stream_options is unknown", "code": 400},
        [{"error": {"code": 400, "message": "Invalid name 'stream_options'", "status": "INVALID_ARGUMENT"}}],
        "stream_options: no such field",
    ],
    ids=["fastapi", "param", "vllm", "gemini", "text"],
)
@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_refusal_is_understood_wherever_the_field_is_named(body: Any, status: int) -> None:
    with raw_server(http(status, body), answer()) as server:
        assert ask(server).text == "Yes."
    assert ["stream_options" in asked for asked in server.bodies] == [True, False]


def test_a_server_that_refuses_to_stream_is_asked_for_the_whole() -> None:
    with raw_server(http(400, {"error": {"message": "streaming is not supported"}}), whole("stop")) as server:
        models = Models(Settings.load(openai_base_url=server.url))
        for _ in range(2):
            assert ask(server, models).text == "Yes."
    assert [body["stream"] for body in server.bodies] == [True, False, False]
    assert "stream_options" not in server.bodies[-1]


def test_the_default_server_may_have_refusals_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_REFUSES", "stream_options, system_role")
    with raw_server(answer()) as server:
        assert ask(server, instructions="be kind").text == "Yes."
    (body,) = server.bodies
    assert ("stream_options" in body, roles(body)) == (False, ["user"])

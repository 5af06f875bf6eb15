"""Errors of model servers: the provider's words, whether another try may help, and no secret."""

from __future__ import annotations

import pytest

from jobs.settings import Settings
from tests.support.raw_answer import ask, read
from tests.support.raw_server import DONE, RESET, Reply, chunk, data, events, http, raw_server
from worker.model.chat_model import Models
from worker.model.errors import Cause, ModelError

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

"""What servers refuse of a request, and are asked without from then on."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.settings import Settings
from tests.support.raw_answer import ask, whole
from tests.support.raw_server import Reply, answer, data, events, http, raw_server
from worker.model.chat_model import Models

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

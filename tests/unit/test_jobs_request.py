"""The body of a create: what is kept of it, and which field a refusal names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import request as creation
from jobs.errors import InvalidRequest
from jobs.prompts import Prompts
from jobs.response import initial
from tests.support.rows import accepted

PROMPTS = Prompts(None)


@given(st.text(min_size=1), st.none() | st.text(min_size=1))
def test_a_text_becomes_the_models_messages(text: str, instructions: str | None) -> None:
    kept = accepted(input=text, instructions=instructions)
    system = [{"role": "system", "content": instructions}] if instructions else []
    assert kept["messages"] == [*system, {"role": "user", "content": text}]
    assert kept["input"] == [{"role": "user", "content": text}]
    assert json.loads(json.dumps(kept)) == kept


def test_messages_keep_their_roles_and_join_their_parts() -> None:
    parts = [{"type": "input_text", "text": "one "}, {"type": "text", "text": "two"}]
    asked = [
        {"role": "developer", "content": "rule"},
        {"role": "user", "content": parts},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "said"}]},
    ]
    kept = accepted(input=asked, instructions="be brief")
    assert [(message["role"], message["content"]) for message in kept["messages"]] == [
        ("system", "be brief"),
        ("system", "rule"),
        ("user", "one two"),
        ("assistant", "said"),
    ]
    assert kept["input"][0]["role"] == "developer"


def test_a_prompt_is_rendered_when_the_job_is_accepted() -> None:
    kept = accepted(input="and mind the moon", prompt={"id": "story", "variables": {"topic": "tides", "words": "99"}})
    assert kept["prompt"]["variables"] == {"topic": "tides", "words": 99, "language": "en"}
    assert kept["prompt"]["digest"] == PROMPTS.get("story", None).digest
    assert [message["content"] for message in kept["messages"]][1:] == [
        "Write a story of about 99 words about “tides”.",
        "and mind the moon",
    ]
    shown = initial("resp_1", 1.0, kept)["prompt"]
    assert shown == {"id": "story", "version": "1", "variables": kept["prompt"]["variables"]}


def test_what_is_not_said_has_defaults_and_what_is_unknown_is_ignored() -> None:
    kept = accepted(background=None, frobnicate=True, tools=[], stream=True, temperature=0.5, metadata=None)
    assert (kept["model"], kept["background"], kept["stream"], kept["store"]) == ("demo", False, True, True)
    assert (kept["temperature"], kept["top_p"], kept["metadata"], kept["prompt"]) == (0.5, None, {}, None)
    assert "frobnicate" not in kept


BODY = {"input": "hi"}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"", None, None),
        (b"[1]", None, None),
        (b'{"input": "\\ud800"}', None, None),
        (b"\xff", None, None),
        ({"input": 5}, "input", None),
        ({"input": [{"role": "robot", "content": "x"}]}, "input", None),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input", None),
        ({"input": ""}, "input", None),
        ({"input": []}, "input", None),
        ({}, "input", None),
        ({**BODY, "temperature": 3}, "temperature", None),
        ({**BODY, "top_p": -1}, "top_p", None),
        ({**BODY, "max_output_tokens": 0}, "max_output_tokens", None),
        ({**BODY, "model": ""}, "model", None),
        ({**BODY, "metadata": {"k": "x" * 513}}, "metadata", None),
        ({**BODY, "metadata": {str(n): "" for n in range(17)}}, "metadata", None),
        ({**BODY, "prompt": {"id": ""}}, "prompt.id", None),
        ({"prompt": {"id": "story"}}, "prompt.variables.topic", None),
        ({"prompt": {"id": "story", "variables": {"topic": ["x"]}}}, "prompt.variables.topic", None),
        ({**BODY, "tools": [{"type": "web_search"}]}, "tools", "unsupported_parameter"),
        ({**BODY, "conversation": "conv_1"}, "conversation", "unsupported_parameter"),
        ({**BODY, "top_logprobs": 3}, "top_logprobs", "unsupported_parameter"),
        ({**BODY, "store": False, "background": True}, "background", "unsupported_parameter"),
        ({**BODY, "model": "other"}, "model", "model_not_found"),
    ],
    ids=str,
)
def test_a_refusal_names_the_field(body: bytes | dict[str, Any], param: str | None, code: str | None) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InvalidRequest) as caught:
        creation.accept(creation.parse(raw), PROMPTS, default_model="demo", allowed=["demo", "big"])
    assert "\n" not in str(caught.value)
    assert caught.value.code == code
    named = caught.value.param
    # A union's error names its branch after the field.
    assert named == param or (param is not None and named is not None and named.startswith(f"{param}."))

"""The body of a create: what is kept of it, and which field a refusal names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import InvalidRequest
from jobs.requests import generation as creation
from jobs.requests.job_request import JobRequest
from jobs.requests.prompt_folder import Prompts
from jobs.requests.prompts import RenderedPrompt
from tests.support.job_factory import accepted


@given(st.text(min_size=1), st.none() | st.text(min_size=1))
def test_a_text_becomes_the_models_messages(text: str, instructions: str | None) -> None:
    kept = accepted(input=text, instructions=instructions)
    system = [{"role": "system", "content": instructions}] if instructions else []
    assert kept.model_messages == [*system, {"role": "user", "content": text}]
    assert JobRequest.from_json(kept.to_json()) == kept


def test_messages_keep_their_roles_and_join_their_parts() -> None:
    asked = [
        {"role": "developer", "content": "rule"},
        {"role": "user", "content": [{"type": "input_text", "text": "one "}, {"type": "text", "text": "two"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "said"}]},
    ]
    kept = accepted(input=asked)
    told = [("system", "rule"), ("user", "one two"), ("assistant", "said")]
    assert [(message["role"], message["content"]) for message in kept.model_messages] == told
    assert kept.input[0]["role"] == "developer"


def test_a_prompt_is_rendered_when_the_job_is_accepted() -> None:
    kept = accepted(input="and mind the moon", prompt={"id": "story", "variables": {"topic": "tides", "words": "99"}})
    assert kept.variables == {"topic": "tides", "words": 99, "language": "en"}
    assert kept.prompt is not None
    assert kept.prompt.digest == Prompts(None).get("story", None).digest
    told = [message["content"] for message in kept.model_messages]
    assert told[1:] == ["Write a story of about 99 words about “tides”.", "and mind the moon"]


def test_what_is_not_said_has_defaults_and_what_is_unknown_is_ignored() -> None:
    kept = accepted(background=None, frobnicate=True, tools=[], stream=True, temperature=0.5, metadata=None)
    assert (kept.model, kept.background, kept.stream, kept.store) == ("demo", False, True, True)
    assert (kept.temperature, kept.top_p, kept.metadata, kept.prompt) == (0.5, None, {}, None)
    assert b"frobnicate" not in kept.to_json()


HI = {"input": "hi"}
UNSUPPORTED = "unsupported_parameter"


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"", None, None),
        (b"[1]", None, None),
        (b'{"input": "\\ud800"}', None, None),
        (b"\xff", None, None),
        ({}, "input", None),
        ({"input": 5}, "input", None),
        ({"input": ""}, "input", None),
        ({"input": [{"role": "robot", "content": "x"}]}, "input", None),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input.0.content.0", UNSUPPORTED),
        ({**HI, "temperature": 3}, "temperature", None),
        ({**HI, "max_output_tokens": 0}, "max_output_tokens", None),
        ({**HI, "model": ""}, "model", None),
        ({**HI, "metadata": {"k": "x" * 513}}, "metadata", None),
        ({**HI, "metadata": {str(number): "" for number in range(17)}}, "metadata", None),
        ({"prompt": {"id": "story"}}, "prompt.variables.topic", None),
        ({"prompt": {"id": "story", "variables": {"topic": ["x"]}}}, "prompt.variables.topic", None),
        ({**HI, "tools": [{"type": "web_search"}]}, "tools", UNSUPPORTED),
        ({**HI, "conversation": "conv_1"}, "conversation", UNSUPPORTED),
        ({**HI, "store": False, "background": True}, "background", UNSUPPORTED),
        ({**HI, "model": "other"}, "model", "model_not_found"),
    ],
    ids=str,
)
def test_a_refusal_names_the_field(body: bytes | dict[str, Any], param: str | None, code: str | None) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InvalidRequest) as caught:
        JobRequest.from_create(creation.parse(raw), Prompts(None), default_model="demo", allowed=["demo", "big"])
    assert "\n" not in str(caught.value)
    assert caught.value.code == code
    # A union's error names its branch after the field.
    assert f"{caught.value.param}.".startswith(f"{param}.")


def test_a_stored_request_is_read_back_and_a_row_without_newer_fields_gets_defaults() -> None:
    kept = accepted(
        prompt={"id": "report", "variables": {"topic": "tides"}}, metadata={"a": "b"}, text={"verbosity": "low"}
    )
    assert JobRequest.from_json(kept.to_json()) == kept
    old = JobRequest.from_json('{"model": "m", "prompt": {"id": "story", "plan": null, "gone": 1}, "gone": 1}')
    assert old == JobRequest(model="m", prompt=RenderedPrompt(id="story"))
    assert JobRequest.from_json("{}").messages == []

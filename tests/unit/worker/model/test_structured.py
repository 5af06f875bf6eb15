"""Answers in JSON: what is taken for the one that was asked for, and what a refusal says."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.requests.job_request import JobRequest
from jobs.requests.prompts import RenderedPrompt
from worker.model.errors import ModelError
from worker.model.structured import noted

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**63), 2**64 - 1)
    # What ends in a backtick or blank is another matter: Markdown's.
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def job_request(response_format: dict[str, Any] | None, prompt: RenderedPrompt | None = None) -> JobRequest:
    return JobRequest(model="demo", text={"format": response_format} if response_format else None, prompt=prompt)


def by_schema(schema: dict[str, Any]) -> JobRequest:
    return job_request({"type": "json_schema", "name": "x", "schema": schema})


@given(JSON)
def test_whatever_is_json_is_parsed(value: Any) -> None:
    text = json.dumps(value)
    assert noted(by_schema({}), text) == {"parsed": value}
    assert noted(by_schema({}), f"\n```json\n{text}\n```\n") == {"parsed": value}


def test_free_text_is_left_alone() -> None:
    for request in (job_request(None), job_request({"type": "text"}), job_request(None, RenderedPrompt(id="story"))):
        assert noted(request, '{"n": 1}') == {}


def test_an_object_that_a_runnable_made_is_told() -> None:
    request = job_request(None, RenderedPrompt(id="own", runnable="chains:one"))
    assert noted(request, '{\n  "n": 1\n}') == {"parsed": {"n": 1}}
    for text in ("five", "5", '{"n": 1', 'Such as:\n```json\n{"n": 1}\n```'):
        assert noted(request, text) == {}


@pytest.mark.parametrize(
    ("request_", "text", "words"),
    [
        (job_request({"type": "json_object"}), "", "empty"),
        (job_request({"type": "json_object"}), "Sorry, I cannot.", "unexpected character"),
        (job_request({"type": "json_object"}), '{"n": 1, "m": "cut o', "end of data"),
        (job_request({"type": "json_object"}), "[1]", r"\$: \[1\] is not of type 'object'"),
        (job_request({"type": "json_object"}), '{"n": NaN}', "unexpected character"),
        (by_schema(NUMBER), '{"n": "one"}', r"\$\.n: 'one' is not of type 'integer'"),
        (by_schema(NUMBER), "{}", "'n' is a required property"),
        (by_schema({"pattern": "("}), '"x"', r"missing \)"),
        (by_schema({"$ref": "#/$defs/none"}), "1", r"\$defs/none"),
        (by_schema({}), "[" * 300 + "]" * 300, "Recursion limit"),
        (by_schema({"$ref": "#"}), "1", "Recursion"),
    ],
)
def test_what_was_not_asked_for_is_refused_with_a_reason(request_: JobRequest, text: str, words: str) -> None:
    with pytest.raises(ModelError, match=f"^The answer is not the JSON that was asked for: .*{words}") as caught:
        noted(request_, text)
    assert not caught.value.transient
    assert "\n" not in caught.value.message


def test_a_reason_is_short() -> None:
    with pytest.raises(ModelError) as caught:
        noted(by_schema({"maxLength": 3}), json.dumps("x" * 100_000))
    assert len(caught.value.message) < 600


def test_a_schema_is_never_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        with pytest.raises(ModelError, match="Unresolvable"):
            noted(by_schema({"$ref": f"http://127.0.0.1:{server.getsockname()[1]}/schema"}), "1")
        with pytest.raises(BlockingIOError):
            server.accept()

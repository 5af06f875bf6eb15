"""`/v1/chat/completions`: the older API's words for the same jobs."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai
import pytest

from tests.support.stack import Stack
from tests.support.wire import assert_refused, fetch

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}


def ask(client: openai.OpenAI, text: str, **fields: Any) -> Any:
    """A completion of the demo model, or its chunks."""
    messages: Any = fields.pop("messages", [{"role": "user", "content": text}])
    return client.chat.completions.create(model="demo+rate=0", messages=messages, **fields)


def test_an_answer_has_its_text_its_thoughts_and_what_it_cost(client: openai.OpenAI) -> None:
    completion = ask(client, "whole [[demo tokens=5 think=4]]")
    (choice,) = completion.choices
    assert (completion.object, choice.finish_reason, choice.message.role) == ("chat.completion", "stop", "assistant")
    assert choice.message.content
    assert choice.message.reasoning_content
    usage = completion.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens_details.reasoning_tokens == 4
    with pytest.raises(openai.NotFoundError):  # nothing is kept that nobody asked to keep
        client.responses.retrieve(completion.id)


@pytest.mark.parametrize("include_usage", [True, False])
def test_a_stream_says_the_same_in_chunks(client: openai.OpenAI, include_usage: bool) -> None:
    options: Any = {"include_usage": include_usage}
    chunks = list(ask(client, "stream [[demo tokens=9 think=4]]", stream=True, stream_options=options, store=True))
    first, *_ = chunks
    assert {(chunk.id, chunk.object) for chunk in chunks} == {(first.id, "chat.completion.chunk")}
    assert first.choices[0].delta.role == "assistant"
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    stored: Any = client.responses.retrieve(first.id)
    assert "".join(delta.content or "" for delta in deltas) == stored.output_text != ""
    thoughts = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert thoughts == stored.output[0].content[0].text
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert reasons == ["stop"]
    assert [bool(chunk.usage) for chunk in chunks][-1] is include_usage
    assert (chunks[-1].choices == []) is include_usage


def test_a_stream_that_somebody_cancels_ends_with_an_error(client: openai.OpenAI) -> None:
    chunks = ask(client, "cut short [[demo tokens=900 rate=50]]", stream=True, store=True)
    client.responses.cancel(next(chunks).id)
    with pytest.raises(openai.APIError, match="was cancelled"):
        list(chunks)


@pytest.mark.parametrize("keeping", [{"store": True}, {"metadata": {"a": "b"}}])
def test_a_job_that_is_kept_is_found_by_the_completions_id(client: openai.OpenAI, keeping: Any) -> None:
    completion = ask(client, "kept [[demo tokens=3]]", **keeping)
    stored = client.responses.retrieve(completion.id)
    assert stored.output_text == completion.choices[0].message.content
    assert stored.metadata == keeping.get("metadata", {})


@pytest.mark.parametrize("stream", [True, False])
def test_tools_are_asked_for_and_their_outputs_go_back(client: openai.OpenAI, stream: bool) -> None:
    question = {"role": "user", "content": "call [[demo calls=2]]"}
    if stream:
        asked: Any = {"messages": [question], "tools": [TOOL]}
        with client.chat.completions.stream(model="demo+rate=0", **asked) as events:
            for _ in events:
                pass
            completion: Any = events.get_final_completion()
    else:
        completion = ask(client, "", messages=[question], tools=[TOOL], tool_choice="required")
    (choice,) = completion.choices
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls
    assert [set(json.loads(call.function.arguments)) for call in calls] == [{"city", "days"}] * 2
    said = choice.message.model_dump(include={"role", "content", "tool_calls"})
    outputs = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls]
    answer = ask(client, "", messages=[question, said, *outputs], tools=[TOOL]).choices[0]
    assert (answer.finish_reason, answer.message.tool_calls) == ("stop", None)
    assert answer.message.content


def test_an_answer_follows_a_schema_and_ends_at_its_limit(client: openai.OpenAI) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA, "strict": True}}
    assert set(json.loads(ask(client, "schema", response_format=form).choices[0].message.content)) == {"city", "days"}
    for limit in ("max_tokens", "max_completion_tokens"):
        short = ask(client, "short [[demo tokens=50]]", **{limit: 5})
        assert (short.choices[0].finish_reason, short.usage.completion_tokens) == ("length", 5)


def test_content_may_be_parts_or_null(client: openai.OpenAI) -> None:
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "assistant", "content": None, "refusal": "No."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "parts "}, {"type": "text", "text": "[[demo tokens=3]]"}],
        },
    ]
    completion = ask(client, "", messages=messages, store=True)
    stored: Any = client.responses.input_items.list(completion.id, order="asc")
    assert [item.content[0].text for item in stored] == ["Be brief.", "No.", "parts [[demo tokens=3]]"]


def test_a_file_is_what_the_model_reads(client: openai.OpenAI) -> None:
    data = base64.b64encode(b"tides [[demo echo]]").decode()
    file = {"filename": "a.txt", "file_data": f"data:text/plain;base64,{data}"}
    content = [{"type": "file", "file": file}, {"type": "text", "text": "Sum up."}]
    answer = ask(client, "", messages=[{"role": "user", "content": content}]).choices[0].message.content
    assert answer.startswith("[a.txt]\n\ntides")
    assert answer.rstrip().endswith("Sum up.")
    with pytest.raises(openai.BadRequestError) as refused:  # ids name files of batches
        ask(client, "", messages=[{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}])
    assert refused.value.param == "messages.0.content.0"
    assert "'file_data'" in refused.value.message


def test_a_failure_is_an_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="ran out of memory"):
        ask(client.with_options(max_retries=2), "fail whole [[demo tokens=9 error=3]]")
    with pytest.raises(openai.APIError, match="ran out of memory"):
        list(ask(client, "fail stream [[demo tokens=9 error=3]]", stream=True))


@pytest.mark.parametrize("stream", [True, False])
def test_a_dropped_connection_cancels(penstock: Stack, stream: bool) -> None:
    prompt = f"dropped {stream}"
    with penstock.client(timeout=None if stream else 1) as client:
        if stream:
            chunks = ask(client, f"{prompt} [[demo rate=20 tokens=9000]]", stream=True)
            next(chunks)
            chunks.close()
        else:
            with pytest.raises(openai.APITimeoutError):
                ask(client, f"{prompt} [[demo rate=20 tokens=9000]]")
    penstock.model.wait(prompt, "closed_by_client")


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"messages": []}, "messages", None),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role", None),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0", None),
        ({"n": 2}, "n", None),
        ({"temperature": 9}, "temperature", None),
        ({"max_tokens": 0}, "max_completion_tokens", None),
        ({"response_format": {"type": "poem"}}, "response_format.type", None),
        ({"reasoning_effort": "extreme"}, "reasoning_effort", None),
        ({"stop": ["x"]}, "stop", "unsupported_parameter"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools.0", "unsupported_parameter"),
    ],
)
def test_what_is_wrong_is_named_in_the_words_of_this_api(
    penstock: Stack, fields: dict[str, Any], param: str, code: str | None
) -> None:
    body = json.dumps({"model": "demo", "messages": [{"role": "user", "content": "x"}], **fields}).encode()
    error = assert_refused(*fetch(penstock.url, "/v1/chat/completions", method="POST", body=body))
    assert (error["param"], error["code"]) == (param, code)

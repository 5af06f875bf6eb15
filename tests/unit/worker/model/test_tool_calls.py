"""Calls of tools: read in every form that servers send them in, and told to a model as chat models are told of them."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest

from jobs.settings import Settings
from tests.support.job_factory import accepted
from tests.support.raw_server import DONE, RawServer, Reply, answer, chunk, data, events, http, raw_server
from worker.model import call
from worker.model.answer.finish_reason import End
from worker.model.chat_model import Models
from worker.model.chunks import ChunkReader, ToolCall
from worker.model.errors import ModelError
from worker.model.messages import fewer
from worker.model.request import ModelRequest

TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
END = chunk(finish="tool_calls")


def ask(server: RawServer, **body: Any) -> tuple[ChunkReader, list[tuple[str, str, str]]]:
    """An answer, and the calls in it: id, name and arguments of each."""
    request = ModelRequest.for_job(accepted(model="raw", **{"tools": [TOOL], **body}))
    settings = Settings.load(openai_base_url=server.url, openai_api_key="raw")
    reader = ChunkReader(offers_tools=request.offers_tools)
    calls: defaultdict[ToolCall, str] = defaultdict(str)
    for piece in reader.pieces(call.stream(Models(settings), request)):
        if piece and isinstance(piece[0], ToolCall):
            calls[piece[0]] += piece[1]
    reader.check_end()
    return reader, [(each.call_id, each.name, arguments) for each, arguments in calls.items()]


def part(index: int | None, arguments: Any = None, name: str | None = None, call_id: str | None = None) -> bytes:
    """A chunk with a piece of one call."""
    place = {} if index is None else {"index": index}
    function = {"name": name, "arguments": arguments}
    return chunk(tool_calls=[{**place, "id": call_id, "type": "function", "function": function}])


FORMS: dict[str, tuple[Reply, list[tuple[str, str, str]]]] = {
    "in pieces": (
        events(part(0, "", "weather", "a"), part(0, '{"x'), part(0, '": 1}'), part(1, "", "weather", "b"), END),
        [("a", "weather", '{"x": 1}'), ("b", "weather", "")],
    ),
    "interleaved": (
        events(part(0, "1", "f", "a"), part(1, "2", "g", "b"), part(0, "3"), part(1, "4"), END),
        [("a", "f", "13"), ("b", "g", "24")],
    ),
    "whole, with one index": (
        events(part(0, "1", "f", "a"), part(0, "2", "g", "b"), END),
        [("a", "f", "1"), ("b", "g", "2")],
    ),
    "the name again in each piece": (events(part(0, "1", "f", "a"), part(0, "2", "f", "a"), END), [("a", "f", "12")]),
    "arguments that are an object": (events(part(0, {"x": 1}, "f", "a"), END), [("a", "f", '{"x": 1}')]),
    "without an index": (events(part(None, "{}", "f", "a"), END), [("a", "f", "{}")]),
    "with another end": (events(part(0, "{}", "f", "a"), chunk(finish="stop"), DONE), [("a", "f", "{}")]),
    "no stream": (
        http(
            200,
            {
                "choices": [
                    {
                        "message": {
                            "content": None,
                            "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}],
                        },
                        "finish_reason": "tool_calls",
                    }
                ]
            },
        ),
        [("a", "f", "{")],
    ),
    "once more as a whole": (
        events(
            part(0, "{}", "f", "a"),
            data(
                {
                    "choices": [
                        {
                            "message": {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
                            "finish_reason": "tool_calls",
                        }
                    ]
                }
            ),
        ),
        [("a", "f", "{}")],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_calls_in_any_form_are_read(name: str) -> None:
    reply, expected = FORMS[name]
    with raw_server(reply) as server:
        reader, calls = ask(server, input="x")
    assert calls == expected
    assert reader.has_calls
    assert reader.end in (End.TOOL, End.GOOD)


def test_a_call_without_an_id_gets_one() -> None:
    with raw_server(events(part(0, "{}", "f"), chunk(function_call={"name": "g", "arguments": "1"}), END)) as server:
        _, (first, *_) = ask(server, input="x")
    assert first[0].startswith("call_")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (events(part(0, "{}", None, "a"), END), "without naming it"),
        (events(*(part(number, "{}", "f", f"a{number}") for number in range(300)), END), "more than 256"),
    ],
)
def test_a_call_that_makes_no_sense_is_a_fault(reply: Reply, words: str) -> None:
    with raw_server(reply) as server, pytest.raises(ModelError, match=words):
        ask(server, input="x")


def test_a_call_that_nobody_offered_is_not_read() -> None:
    with raw_server(events(part(0, "{}", "f", "a"), END)) as server:
        reader, calls = ask(server, input="x", tools=[])
    assert (calls, reader.has_calls, reader.end) == ([], False, End.TOOL)


def test_a_model_is_told_of_tools_calls_and_outputs() -> None:
    broken = '{"city": '
    conversation = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": "Let me see."},
        {"type": "function_call", "call_id": "a", "name": "weather", "arguments": broken},
        {"type": "function_call", "call_id": "b", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "sunny"}]},
        {"type": "function_call_output", "call_id": "b", "output": "rain"},
    ]
    choice = {"type": "function", "name": "weather"}
    with raw_server(answer()) as server:
        ask(server, input=conversation, tool_choice=choice, parallel_tool_calls=False)
        (body,) = server.bodies
    assert body["tools"] == [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    assert (body["tool_choice"]["function"], body["parallel_tool_calls"]) == ({"name": "weather"}, False)
    said = body["messages"]
    assert [message["role"] for message in said] == ["user", "assistant", "tool", "tool"]
    functions = [(each["id"], each["function"]["arguments"]) for each in said[1]["tool_calls"]]
    assert (said[1]["content"], functions) == ("Let me see.", [("a", broken), ("b", "{}")])
    assert [(message["tool_call_id"], message["content"]) for message in said[2:]] == [("a", "sunny"), ("b", "rain")]


def test_a_server_that_knows_no_parallel_calls_is_asked_without() -> None:
    refusal = http(400, {"error": {"message": "Unrecognized request argument supplied: parallel_tool_calls"}})
    with raw_server(refusal, answer()) as server:
        ask(server, input="x", parallel_tool_calls=True)
        assert ["parallel_tool_calls" in body for body in server.bodies] == [True, False]
        assert all(json.dumps(body["tools"]) for body in server.bodies)


def test_a_conversation_is_not_cut_between_a_call_and_its_output() -> None:
    call_message = {"role": "assistant", "content": "", "type": "function_call", "call_id": "a", "name": "f"}
    output = {"role": "tool", "content": "1", "type": "function_call_output", "call_id": "a"}
    first, second, last = ({"role": "user", "content": text} for text in "xyz")
    assert fewer([first, call_message, output, second, last]) == [second, last]

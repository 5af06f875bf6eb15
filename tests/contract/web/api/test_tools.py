"""Function tools: the model's calls are items, as durable as text; the client makes them and brings what they gave."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from jobs.protocol import events
from tests.support.assertions import assert_in_order, assert_one_end, ended, follow, types_in
from tests.support.stack import Stack, Viewer, wait_for
from tests.support.wire import assert_refused, create, fetch, request

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER: Any = {"type": "function", "name": "weather", "description": "Tells it.", "parameters": SCHEMA, "strict": True}
CLOCK: Any = {"type": "function", "name": "clock"}
ARGUMENTS = json.dumps({"city": "Paris", "days": 3}, separators=(",", ":"))


def calls_in(response: Any) -> list[Any]:
    """The calls that a response asks for."""
    return [item for item in response.output if item.type == "function_call"]


def test_calls_are_items_with_events_of_their_own(penstock: Stack, client: openai.OpenAI) -> None:
    asked: Any = {"tools": [WEATHER, CLOCK], "tool_choice": "required", "parallel_tool_calls": True}
    job = client.responses.create(input="two calls [[demo calls=2 think=2]]", background=True, **asked)
    seen = follow(client, job.id)
    response = seen[-1].response
    assert_in_order(seen)
    assert_one_end(penstock.database, job.id, seen)
    assert response.status == "completed"
    assert [item.type for item in response.output] == ["reasoning", "function_call", "function_call"]
    first, second = calls_in(response)
    assert (first.name, second.name, first.status) == ("weather", "clock", "completed")
    assert first.call_id != second.call_id
    assert set(json.loads(first.arguments)) == {"city", "days"}
    mine = [event for event in seen if getattr(event, "item_id", None) == first.id]
    assert types_in(mine) == [events.CALL_DELTA, events.CALL_DONE]
    assert "".join(event.delta for event in mine[:-1]) == mine[-1].arguments == first.arguments
    added, done = (
        next(event.item for event in seen if event.type == kind and event.item.id == first.id)
        for kind in (events.ITEM_ADDED, events.ITEM_DONE)
    )
    assert (added.arguments, added.status, done) == ("", "in_progress", first)
    said = {name: getattr(response, name) for name in asked}
    assert [tool.name for tool in said.pop("tools")] == ["weather", "clock"]
    assert said == {"tool_choice": "required", "parallel_tool_calls": True}
    assert {"description", "parameters", "strict"} <= response.tools[1].to_dict().keys()
    assert "notice" not in response.penstock


def test_the_sdks_helper_reads_calls(client: openai.OpenAI) -> None:
    with client.responses.stream(input="helped [[demo calls=1]]", tools=[WEATHER], model="demo+rate=0") as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()
    assert "response.function_call_arguments.done" in types
    (call,) = calls_in(final)
    assert set(call.parsed_arguments) == {"city", "days"}


@pytest.mark.parametrize("way", ["previous_response_id", "items", "references"])
def test_what_a_call_gave_goes_back_to_the_model(client: openai.OpenAI, way: str) -> None:
    question: Any = {"role": "user", "content": f"by {way} [[demo calls=1]]"}
    first = client.responses.create(input=[question], tools=[WEATHER])
    (call,) = calls_in(first)
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    items: dict[str, list[Any]] = {
        "previous_response_id": [output],
        "items": [question, call.to_dict(), output],
        "references": [question, {"type": "item_reference", "id": call.id}, output],
    }
    previous = first.id if way == "previous_response_id" else openai.omit
    second = client.responses.create(input=items[way], tools=[WEATHER], previous_response_id=previous)
    assert second.status == "completed"
    assert second.output_text  # the model that has seen an output calls no more
    assert not calls_in(second)
    stored: Any = list(client.responses.input_items.list(second.id, order="asc"))
    assert stored[-1].output == "sunny"
    if way != "previous_response_id":
        assert [item.type for item in stored] == ["message", "function_call", "function_call_output"]
        assert (stored[1].name, stored[1].arguments) == ("weather", call.arguments)


def test_arguments_that_are_no_json_pass_through_as_they_came(client: openai.OpenAI) -> None:
    response = client.responses.create(input="broken [[demo calls=1 arguments={city:]]", tools=[CLOCK])
    (call,) = calls_in(response)
    assert (response.status, call.arguments) == ("completed", "{city:")
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": None}
    again = client.responses.create(input=[output], previous_response_id=response.id, tools=[CLOCK])
    assert again.status == "completed"


@pytest.mark.parametrize("fault", ["drop=4", "error=14"])
def test_calls_go_on_in_the_same_items_after_a_fault_of_the_model(
    penstock: Stack, client: openai.OpenAI, fault: str
) -> None:
    script = f"[[demo calls=2 {fault} fails=1 arguments={ARGUMENTS}]]"
    job = create(penstock.url, input=f"again {fault[:4]} {script}", tools=[WEATHER, CLOCK])
    seen = follow(client, job["id"])
    assert_one_end(penstock.database, job["id"], seen)
    calls = calls_in(seen[-1].response)
    assert [(call.name, call.arguments) for call in calls] == [("weather", ARGUMENTS), ("clock", ARGUMENTS)]
    assert sum(event.type == events.ITEM_ADDED for event in seen) == 2
    assert penstock.model.stats(f"again {fault[:4]}")["requests"] == 2


def test_calls_that_differ_after_a_restart_take_the_place_of_the_first(penstock: Stack, client: openai.OpenAI) -> None:
    script = "[[demo calls=1 seed=random tokens=300 drop=6 fails=1]]"
    job = create(penstock.url, input=f"otherwise {script}", tools=[WEATHER])
    seen = follow(client, job["id"])
    assert_one_end(penstock.database, job["id"], seen)
    (call,) = calls_in(seen[-1].response)
    assert set(json.loads(call.arguments)) == {"city", "days"}
    done = [event.item for event in seen if event.type == events.ITEM_DONE]
    assert [item.status for item in done] in (["incomplete", "completed"], ["completed"])


def test_a_call_that_a_cancel_cuts_short_is_incomplete_and_kept(penstock: Stack, client: openai.OpenAI) -> None:
    job = client.responses.create(
        input=f"slow [[demo calls=1 rate=4 arguments={ARGUMENTS * 20}]]", tools=[WEATHER], background=True
    )
    viewer = Viewer(client, job.id)
    wait_for(lambda: any(event.type == events.CALL_DELTA for event in list(viewer.events)))
    client.responses.cancel(job.id)
    final = viewer.ended()[-1].response
    (call,) = calls_in(final)
    assert (final.status, call.status, call.arguments[:4]) == ("cancelled", "incomplete", ARGUMENTS[:4])
    assert_one_end(penstock.database, job.id)
    # A call without its end is no part of a conversation that goes on.
    again = client.responses.create(input="go on [[demo tokens=3]]", previous_response_id=job.id)
    assert again.status == "completed"


def test_an_answer_of_json_may_be_a_call_instead(client: openai.OpenAI) -> None:
    form: Any = {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}
    response = client.responses.create(input="either [[demo calls=1]]", tools=[CLOCK], text=form)
    assert (response.status, len(calls_in(response))) == ("completed", 1)


def test_without_tools_the_model_calls_none(client: openai.OpenAI) -> None:
    response = client.responses.create(input="none [[demo calls=1 tokens=3]]", tools=[CLOCK], tool_choice="none")
    assert (response.status, calls_in(response)) == ("completed", [])
    assert (response.tool_choice, len(response.tools)) == ("none", 1)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function"}]}, "tools.0.name"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools.0.name"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "name": "other"}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input.0.call_id"),
        ({"tools": [CLOCK], "prompt": {"id": "report", "variables": {"topic": "x"}}}, "tools"),
    ],
)
def test_what_is_wrong_with_tools_is_named(penstock: Stack, fields: dict[str, Any], param: str) -> None:
    body = json.dumps({"input": "x", "background": True, **fields}).encode()
    assert assert_refused(*fetch(penstock.url, "/v1/responses", method="POST", body=body))["param"] == param


def test_the_page_shows_calls_folded(penstock: Stack, client: openai.OpenAI) -> None:
    job = create(penstock.url, input=f"shown [[demo calls=1 arguments={ARGUMENTS}]]", tools=[WEATHER])
    ended(client, job["id"])
    for cookie, label in (("en", "Call of weather"), ("zh", "调用 weather")):
        headers = {"Accept": "text/html", "Cookie": f"penstock_language={cookie}", "Accept-Language": cookie}
        with request(penstock.url, f"/jobs/{job['id']}", headers=headers) as answer:
            page = answer.read().decode()
        assert f"<summary>{label}</summary>" in page
        assert ARGUMENTS.replace('"', "&#34;") in page or ARGUMENTS.replace('"', "&quot;") in page

"""What the API has beside create, retrieve and stream: lists, input items, forms of text, times, departures."""

from __future__ import annotations

import json
import secrets
import socket
from typing import Any
from urllib.parse import quote, urlsplit

import openai
import pytest

from jobs.job import Status
from jobs.storage.store import Store
from tests.support.job_factory import OWNER, JobFactory, accepted
from tests.support.stack import Stack, wait_for
from tests.support.wire import assert_refused, create, fetch, request

REQUIRED = (
    "id object created_at completed_at status incomplete_details model previous_response_id instructions output error "
    "tools tool_choice truncation parallel_tool_calls text top_p presence_penalty frequency_penalty top_logprobs "
    "temperature reasoning user usage max_output_tokens max_tool_calls store background service_tier metadata "
    "safety_identifier prompt_cache_key"
)


def test_a_response_has_every_field_that_open_responses_asks_for(penstock: Stack, client: openai.OpenAI) -> None:
    queued = create(penstock.url, input="all fields [[demo tokens=3]]")
    wait_for(lambda: client.responses.retrieve(queued["id"]).status == "completed")
    for found in (queued, fetch(penstock.url, f"/v1/responses/{queued['id']}")[1]):
        assert set(REQUIRED.split()) <= set(found)
        assert isinstance(found["created_at"], int)
        assert {type(found[name]) for name in ("temperature", "top_p", "presence_penalty")} <= {int, float}
    assert found["usage"]["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0}


def test_what_was_asked_for_is_said_again(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.25,
        "truncation": "auto",
        "user": "翠花",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "reasoning": {"effort": "low"},
        "metadata": {"a": "b"},
        "max_output_tokens": 99,
    }
    job = client.responses.create(input="again [[demo tokens=3]]", **asked).to_dict()
    assert {name: job[name] for name in asked} == asked


# -- input items ---------------------------------------------------------------------------------------------------


def test_input_items_are_paged_in_both_orders(client: openai.OpenAI) -> None:
    said: list[Any] = [{"role": "user" if n % 2 == 0 else "assistant", "content": f"part {n}"} for n in range(7)]
    job = client.responses.create(input=said, instructions="not an item")
    for order in ("asc", "desc"):
        items: list[Any] = list(client.responses.input_items.list(job.id, limit=3, order=order))
        told = [(item.role, item.content[0].text) for item in items]
        assert told == [(one["role"], one["content"]) for one in (said if order == "asc" else said[::-1])]
        assert len({item.id for item in items}) == 7


def test_a_prompts_messages_are_its_input(client: openai.OpenAI) -> None:
    job = client.responses.create(prompt={"id": "story", "variables": {"topic": "海"}}, input="短一点")
    items: list[Any] = list(client.responses.input_items.list(job.id, order="asc"))
    assert [item.role for item in items] == ["system", "user", "user"]
    assert "海" in items[1].content[0].text
    assert items[2].content[0].text == "短一点"


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "order=up", "after=nothing", "limit=%C2%B2"])
def test_a_bad_page_is_refused(penstock: Stack, client: openai.OpenAI, query: str) -> None:
    job = client.responses.create(input="a page [[demo tokens=2]]")
    assert_refused(*fetch(penstock.url, f"/v1/responses/{job.id}/input_items?{query}"))


def test_an_answer_given_back_with_its_thoughts_is_input(client: openai.OpenAI) -> None:
    first = client.responses.create(input="think [[demo think=4 tokens=5]]")
    assert [item.type for item in first.output] == ["reasoning", "message"]
    told: list[Any] = [{"role": "user", "content": "think"}, *first.output, {"role": "user", "content": "and then?"}]
    second = client.responses.create(input=told)
    items: list[Any] = list(client.responses.input_items.list(second.id, order="asc"))
    assert [item.role for item in items] == ["user", "assistant", "user"]
    assert items[1].content[0].text == first.output_text


# -- list ----------------------------------------------------------------------------------------------------------


def test_jobs_are_found_by_what_was_asked_and_by_what_was_written(client: openai.OpenAI, penstock: Stack) -> None:
    mark = secrets.token_hex(4)
    by_input = client.responses.create(input=f"Find ÄPFEL 100%_{mark} [[demo tokens=2]]")
    by_topic = client.responses.create(prompt={"id": "story", "variables": {"topic": f"Walfang {mark}"}})
    assert _found(penstock, f"äpfel 100%_{mark}") == [by_input.id]
    assert _found(penstock, f"walFANG {mark}") == [by_topic.id]
    assert _found(penstock, mark) == [by_topic.id, by_input.id]
    assert _found(penstock, f"{mark} äpf") == [by_input.id]
    assert _found(penstock, f"äpfel 101%_{mark}") == []
    written = by_topic.output_text.split()
    assert by_topic.id in _found(penstock, " ".join(written[len(written) // 2 :][:6]))
    assert _found(penstock, "storyteller with a warm voice") == []  # the prompt's words are not the asker's


def _found(penstock: Stack, words: str) -> list[str]:
    return [job["id"] for job in fetch(penstock.url, f"/v1/responses?limit=100&q={quote(words)}")[1]["data"]]


def test_jobs_are_found_by_their_prompt(penstock: Stack, client: openai.OpenAI) -> None:
    told = client.responses.create(prompt={"id": "story", "variables": {"topic": "rain"}}, background=True)
    other = client.responses.create(input="no story [[demo tokens=3]]", background=True)
    _, page = fetch(penstock.url, "/v1/responses?limit=100&prompt=story")
    found = [job["id"] for job in page["data"]]
    assert told.id in found
    assert other.id not in found
    assert fetch(penstock.url, "/v1/responses?prompt=none")[1]["data"] == []


def test_a_text_with_nul_is_kept_and_found(job_factory: JobFactory) -> None:
    job = job_factory.store.accept(OWNER, accepted(input="NUL \x00 in it"))
    assert [found.id for found in job_factory.store.lists.page(OWNER, limit=5, words="nul \x00 IN")] == [job.id]


# -- the form of the text ------------------------------------------------------------------------------------------


def test_a_form_is_passed_on(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    form: Any = {"type": "json_schema", "name": "thing", "schema": schema, "strict": True}
    job = client.responses.create(input="as JSON", text={"format": form})
    assert job.text
    assert job.text.format
    assert job.text.format.to_dict() == form
    assert list(json.loads(job.output_text)) == ["a"]
    free = client.responses.create(input="any JSON", text={"format": {"type": "json_object"}})
    assert json.loads(free.output_text)


# -- times and departures ------------------------------------------------------------------------------------------


def test_server_timing_tells_the_times_of_a_job(penstock: Stack, client: openai.OpenAI) -> None:
    running = create(penstock.url, input="timed [[demo stall=3]]")["id"]
    penstock.model.wait("timed", "stalled")
    before = _times(penstock, running)
    assert {"queue", "total"} <= set(before)
    client.responses.cancel(running)
    times = _times(penstock, running)
    assert 0 <= times["queue"] <= times["first_token"] <= times["total"]


def _times(penstock: Stack, job_id: str) -> dict[str, float]:
    with request(penstock.url, f"/v1/responses/{job_id}") as answer:
        pairs = [entry.split(";dur=") for entry in answer.headers["Server-Timing"].split(", ")]
    return {name: float(milliseconds) for name, milliseconds in pairs}


@pytest.mark.parametrize("stream", [False, True])
def test_leaving_a_create_without_background_cancels_it(penstock: Stack, stream: bool) -> None:
    asked = f"I leave {stream} {secrets.token_hex(4)}"
    body = json.dumps({"input": f"{asked} [[demo stall=2]]", "stream": stream}).encode()
    parts = urlsplit(penstock.url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        head = f"POST /v1/responses HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        penstock.model.wait(asked, "stalled")
    penstock.model.wait(asked, "closed_by_client")  # far sooner than the next heartbeat would tell
    store = Store(penstock.database)
    assert wait_for(lambda: store.lists.page("local", limit=1, words=asked)[0].status is Status.CANCELLED)

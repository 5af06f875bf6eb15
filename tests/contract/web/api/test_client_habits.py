"""What clients other than OpenAI's own send and read: references to items, nulls, types of errors, wrong paths."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from jobs.protocol import events
from tests.support.assertions import ended, follow
from tests.support.stack import Stack
from tests.support.wire import assert_refused, create, fetch


def completed(client: openai.OpenAI, **fields: Any) -> Any:
    """A response of the demo model, once it is there."""
    response = client.responses.create(**fields)
    assert response.status == "completed"
    return response


def asked(client: openai.OpenAI, response: Any) -> list[tuple[str, str]]:
    """What a response was asked: role and text of each message."""
    items: Any = client.responses.input_items.list(response.id, order="asc")
    return [(item.role, item.content[0].text) for item in items]


def test_items_of_earlier_responses_are_named_by_their_ids(client: openai.OpenAI) -> None:
    """As the AI SDK's second turn does."""
    first = completed(client, input="one [[demo tokens=3 think=3]]")
    thought, answer = first.output
    (question,) = client.responses.input_items.list(first.id)
    references: list[Any] = [{"type": "item_reference", "id": item.id} for item in (question, thought, answer, answer)]
    second = completed(client, input=[*references, {"role": "user", "content": "two [[demo tokens=3]]"}])
    assert asked(client, second) == [
        ("user", "one [[demo tokens=3 think=3]]"),
        ("assistant", first.output_text),
        ("user", "two [[demo tokens=3]]"),
    ]
    # Without a type, too, and of what was itself named.
    _, copy, _ = client.responses.input_items.list(second.id, order="asc")
    third = completed(client, input=[{"id": copy.id}, {"role": "user", "content": "three [[demo tokens=3]]"}])
    assert asked(client, third)[0] == ("assistant", first.output_text)


def test_items_that_a_retry_took_over_are_found_by_the_ids_that_it_shows(
    penstock: Stack, client: openai.OpenAI
) -> None:
    first = create(penstock.url, prompt={"id": "report", "variables": {"topic": "ids", "sections": 2, "words": 100}})
    whole = ended(client, first["id"])
    failed = create(
        penstock.url,
        prompt={"id": "report", "variables": {"topic": "ids [[demo rate=30]]", "sections": 2, "words": 100}},
    )
    stream = client.responses.retrieve(failed["id"], stream=True)
    next(event for event in stream if event.type == "response.output_item.done" and event.item.type == "message")
    client.responses.cancel(failed["id"])
    status, again = fetch(penstock.url, f"/v1/responses/{failed['id']}/retry", method="POST")
    assert status == 200
    final = ended(client, again["id"])
    for response in (whole, final):
        items = [item for item in response.output if item.type == "message"]
        named: list[Any] = [{"type": "item_reference", "id": item.id} for item in items]
        turn = completed(client, input=[*named, {"role": "user", "content": "go on [[demo tokens=3]]"}])
        assert "".join(text for _, text in asked(client, turn)[:-1]) == response.output_text


@pytest.mark.parametrize("named", ["msg_{}_0_1", "msg_{}_0_0", "msg_{}_in_1", "fc_{}_0_0", "msg_../x", "msg_"])
def test_an_item_that_is_not_there_is_refused(penstock: Stack, client: openai.OpenAI, named: str) -> None:
    job_id = completed(client, input="mine [[demo tokens=3]]").id if "_1" in named else "resp_" + "0" * 40
    reference = {"type": "item_reference", "id": named.format(job_id.removeprefix("resp_"))}
    body = json.dumps({"input": [reference, {"role": "user", "content": "x"}]}).encode()
    error = assert_refused(*fetch(penstock.url, "/v1/responses", method="POST", body=body))
    assert (error["param"], reference["id"] in error["message"]) == ("input", True)


def test_a_null_counts_as_absent(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "assistant", "content": None}, {"role": "user", "content": "x [[demo tokens=3]]"}]
    text: Any = {"format": None, "verbosity": None}
    response = completed(client, input=messages, text=text, tools=openai.omit, extra_body={"tools": None})
    assert response.text.format.type == "text"
    prompt: Any = {"id": "story", "variables": {"topic": "null [[demo tokens=3]]", "words": None}}
    assert completed(client, prompt=prompt, text=text).prompt.variables["words"] != "None"


def test_the_phase_of_a_message_is_kept(penstock: Stack, client: openai.OpenAI) -> None:
    messages: list[Any] = [
        {"role": "assistant", "content": "Let me see.", "phase": "commentary"},
        {"role": "user", "content": "x [[demo tokens=3]]"},
    ]
    response = completed(client, input=messages)
    _, page = fetch(penstock.url, f"/v1/responses/{response.id}/input_items?order=asc")
    assert [item.get("phase") for item in page["data"]] == ["commentary", None]


def test_a_failure_has_a_type_and_a_cancelled_response_a_reason(client: openai.OpenAI) -> None:
    failed = client.responses.create(input="fail [[demo error=3]]", background=True)
    error = follow(client, failed.id)[-1].response.error
    assert (error.type, error.code, error.message) == ("server_error", "server_error", "the model ran out of memory")
    running = client.responses.create(input="endless [[demo rate=20 tokens=5000]]", background=True)
    client.responses.cancel(running.id)
    last = follow(client, running.id)[-1]
    assert (last.type, last.response.status) == ("response.incomplete", "cancelled")
    assert last.response.incomplete_details.reason == "cancelled"


def test_a_model_is_found_by_its_name(client: openai.OpenAI) -> None:
    for model in client.models.list():
        assert client.models.retrieve(model.id) == model
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("org/nobody")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/v1/response", "/v1/responses"),
        ("/v1/v1/responses", "/v1/responses"),
        ("/responses", "/v1/responses"),
        ("/v1/responses/resp_1/cancell", "/v1/responses/<job_id>/cancel"),
        ("/v1/nonsense", None),
        ("/nonsense", None),
    ],
)
def test_a_wrong_path_is_told_the_nearest_right_one(penstock: Stack, path: str, right: str | None) -> None:
    error = assert_refused(*fetch(penstock.url, path, method="POST", body=b"{}"), expected=404)
    assert error["message"].endswith(f"the nearest path is {right}.") is (right is not None)


def test_a_thought_is_also_a_summary(client: openai.OpenAI) -> None:
    """Which is all that many clients show of it: live, in pieces, and in what is stored."""
    job = client.responses.create(input="sum up [[demo tokens=3 think=120 rate=400]]", background=True)
    seen = follow(client, job.id)
    thought = seen[-1].response.output[0]
    (whole,) = (part.text for part in thought.content)
    assert [part.text for part in thought.summary] == [whole]
    deltas = [event.delta for event in seen if event.type == events.SUMMARY_DELTA]
    assert "".join(deltas) == whole
    assert len(deltas) > 1
    ends = [event.text for event in seen if event.type == events.SUMMARY_TEXT_DONE]
    parts = [event.part.text for event in seen if event.type in (events.SUMMARY_ADDED, events.SUMMARY_DONE)]
    assert (ends, parts) == ([whole], ["", whole])
    done = [event.item for event in seen if event.type == events.ITEM_DONE]
    assert done[0] == thought

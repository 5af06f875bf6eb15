"""The newest Agents SDK, whose turns send the server's own items back to it."""

from __future__ import annotations

import openai
import pytest

from tests.support import environments
from tests.support.environments import Parts
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)  # an environment may have to be made first


@pytest.fixture(scope="module")
def seen(penstock: Stack) -> Parts:
    """What the program saw."""
    return environments.python("agents").parts("agents_sdk.py", penstock.url)


def test_a_run_is_a_job(seen: Parts, client: openai.OpenAI) -> None:
    run = seen["runs"]
    assert run["text"] == client.responses.retrieve(run["id"]).output_text != ""
    assert run["items"] == ["reasoning_item", "message_output_item"]


def test_a_streamed_run_comes_in_pieces(seen: Parts) -> None:
    run = seen["streams"]
    assert len(run["pieces"]) > 1
    assert "".join(run["pieces"]) == run["text"]
    assert run["items"] == ["reasoning_item", "message_output_item"]


@pytest.mark.parametrize("way", ["sends_everything", "keeps_a_session"])
def test_a_second_turn_sends_the_first_one_back(seen: Parts, client: openai.OpenAI, way: str) -> None:
    """The SDK sends the thoughts too, with whatever fields they came with; a model is told the messages."""
    first, second = seen[way]["read"]
    assert second > first
    said = [item.to_dict() for item in client.responses.input_items.list(seen[way]["ids"][1], order="asc")]
    assert [item["role"] for item in said if item["type"] == "message"] == ["user", "assistant", "user"]


def test_a_second_turn_names_the_first(seen: Parts, client: openai.OpenAI) -> None:
    turns = seen["names_the_previous"]
    assert client.responses.retrieve(turns["ids"][1]).previous_response_id == turns["ids"][0]
    assert turns["read"] == seen["sends_everything"]["read"]


def test_an_answer_takes_the_form_of_a_class(seen: Parts) -> None:
    assert set(seen["parses"]) == {"name", "people"}


def test_a_failed_job_raises_with_the_words_of_the_model(seen: Parts) -> None:
    kind, words, _ = seen["fails"]["failed"]
    assert kind == "ModelBehaviorError"
    assert "the model ran out of memory" in words


def test_tools_are_called_and_conversations_handed_over(seen: Parts) -> None:
    calls, handover = seen["calls_tools"], seen["hands_over"]
    assert (len(calls["asked"]), calls["turns"], bool(calls["text"])) == (2, 2, True)
    assert (handover["last"], bool(handover["text"])) == ("Other", True)


@pytest.mark.parametrize(("name", "param"), [("temperature", "temperature"), ("tools", "tools.0")])
def test_what_is_not_supported_is_refused_by_name(seen: Parts, name: str, param: str) -> None:
    kind, words, named = seen["fails"][name]
    assert (kind, named) == ("BadRequestError", param)
    assert name in words

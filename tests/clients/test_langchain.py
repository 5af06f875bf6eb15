"""LangChain's ChatOpenAI as a client of Penstock (which asks its models with the same class)."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.support import environments
from tests.support.environments import Parts
from tests.support.stack import Stack, wait_for


@pytest.fixture(scope="module")
def seen(penstock: Stack) -> Parts:
    """What the program saw."""
    return environments.own().parts("langchain_chat.py", penstock.url)


def test_an_answer_is_the_jobs_text(seen: Parts, client: openai.OpenAI) -> None:
    answer = seen["invokes"]
    job = client.responses.retrieve(answer["id"])
    assert (answer["status"], answer["text"]) == ("completed", job.output_text)
    assert answer["usage"]["output_tokens"] == 10


def test_a_streamed_answer_comes_in_pieces(seen: Parts, client: openai.OpenAI) -> None:
    answer = seen["streams"]
    assert len(answer["pieces"]) > 1
    assert "".join(answer["pieces"]) == answer["text"] == client.responses.retrieve(answer["id"]).output_text
    assert answer["status"] == "completed"
    assert answer["usage"]["output_tokens"] == 10


def test_a_batch_is_answered_in_its_order(seen: Parts) -> None:
    assert seen["batches"]["answers"] == seen["batches"]["asked"]


def test_both_asynchronous_halves(seen: Parts) -> None:
    answers = seen["goes_asynchronous"]
    assert (answers["invoked"], "".join(answers["streamed"])) == ("翠花", "上酸菜")


def test_reasoning_stands_apart_from_the_answer(seen: Parts) -> None:
    thought, answer = seen["thinks"]["awaited"]
    assert (thought["type"], answer["type"]) == ("reasoning", "text")
    assert [part["type"] for part in thought["content"]] == ["reasoning_text"]
    assert thought["content"][0]["text"] not in ("", answer["text"])


def test_a_stream_says_that_there_was_reasoning_but_not_what(seen: Parts) -> None:
    """ChatOpenAI reads summaries of reasoning only and ignores `reasoning_text` events: the item stays empty."""
    thought, answer = seen["thinks"]["streamed"]
    assert (thought["type"], thought["content"], thought["status"]) == ("reasoning", [], "in_progress")
    assert answer["text"] != ""


def rising(answers: list[dict[str, Any]]) -> bool:
    """Whether each turn had more to read than the one before."""
    read = [answer["usage"]["input_tokens"] for answer in answers]
    return all(earlier < later for earlier, later in zip(read, read[1:], strict=False))


def test_a_conversation_may_be_sent_whole(seen: Parts, client: openai.OpenAI) -> None:
    answers = seen["remembers"]["answers"]
    assert [answer["status"] for answer in answers] == ["completed"] * 3
    assert rising(answers)
    items = list(client.responses.input_items.list(answers[-1]["id"], order="asc"))
    said = [item for item in items if item.type == "message"]
    assert [item.role for item in said] == ["user", "assistant", "user", "assistant", "user"]


def test_a_conversation_may_be_continued_by_its_id(seen: Parts, client: openai.OpenAI) -> None:
    first, second = seen["continues"]["answers"]
    assert client.responses.retrieve(second["id"]).previous_response_id == first["id"]
    assert rising([first, second])


def test_an_answer_takes_the_form_of_a_class(seen: Parts) -> None:
    assert set(seen["parses"]) == {"name", "people"}


@pytest.mark.parametrize(("kind", "status"), [("attached", "cancelled"), ("background", "completed")])
def test_only_a_background_job_outlives_its_reader(seen: Parts, client: openai.OpenAI, kind: str, status: str) -> None:
    """A stream's first chunk names the job; the ones after it have names of LangChain's."""
    wait_for(lambda: client.responses.retrieve(seen["leaves_early"][kind]).status == status)


def test_a_background_job_is_for_streams(seen: Parts) -> None:
    """`invoke` knows nothing of jobs that are still to run: it gives back an empty answer."""
    answer = seen["asks_in_the_background"]
    assert (answer["status"], answer["text"]) == ("queued", "")


def test_a_text_that_was_cut_short_says_so(seen: Parts) -> None:
    assert seen["is_cut_short"]["status"] == "incomplete"
    assert seen["is_cut_short"]["usage"]["output_tokens"] == 5


def test_a_failed_job_raises_whether_awaited_or_streamed(seen: Parts) -> None:
    """A plain ValueError, as ChatOpenAI has it; the model's words are in it."""
    fails = seen["fails"]
    for failed in (fails["invoked"], fails["streamed"]):
        assert failed["classes"][0] == "ValueError"
        assert "the model ran out of memory" in failed["words"]
    assert "".join(fails["pieces"]) != ""
    assert "The model `nonsense` does not exist" in fails["model"]["words"]


@pytest.mark.parametrize(("name", "param"), [("tools", "tools.0"), ("parameter", "max_output_tokens")])
def test_what_is_refused_raises_the_clients_own_error(seen: Parts, name: str, param: str) -> None:
    refused = seen["fails"][name]
    assert "BadRequestError" in refused["classes"]
    assert refused["param"] == param

"""Chains of users against the demo model: what they give becomes an answer, and their errors are told."""

from __future__ import annotations

import json
import logging

import pytest

from tests.support.chains import SECRET, run
from worker.context import WorkerContext
from worker.model.chunks import Kind
from worker.model.errors import ModelError


@pytest.mark.parametrize("name", ["plain", "parsed"])
def test_text_is_heard_with_its_end_and_its_price(context: WorkerContext, name: str) -> None:
    answer, texts = run(context, name)
    assert texts[Kind.TEXT].startswith("*(Written")
    assert (answer.finish_reason, answer.usage and answer.usage["output_tokens"]) == ("stop", 20)


def test_reasoning_is_kept_apart(context: WorkerContext) -> None:
    _, texts = run(context, "plain", model="demo+rate=0+tokens=9+think=5")
    assert texts[Kind.REASONING]
    assert texts[Kind.REASONING] not in texts[Kind.TEXT]
    assert run(context, "parsed", model="demo+rate=0+tokens=9+think=5+field=tag")[1] == texts


def test_the_model_has_the_parameters_of_the_job(context: WorkerContext) -> None:
    answer, _ = run(context, "parsed", max_output_tokens=7)
    assert (answer.finish_reason, answer.usage and answer.usage["output_tokens"]) == ("length", 7)


def test_steps_add_up_and_the_worst_end_counts(context: WorkerContext) -> None:
    answer, texts = run(context, "revised")
    assert texts[Kind.TEXT]
    assert answer.usage is not None
    assert answer.usage["output_tokens"] == 24
    assert answer.finish_reason == "length"  # of the draft: nobody saw that it was cut off


def test_branches_add_up_to_json(context: WorkerContext) -> None:
    answer, texts = run(context, "branches", model="demo+rate=0")
    fields = json.loads(texts[Kind.TEXT])
    assert fields["text"] == fields["message"]
    assert fields["text"].startswith("*(Written")
    assert set(fields["facts"]) == {"answer"}
    assert answer.finish_reason == "stop"


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # langchain-openai's own
def test_objects_become_json_once_they_are_whole(context: WorkerContext) -> None:
    assert json.loads(run(context, "growing")[1][Kind.TEXT]) == {"title": "Tides", "words": [1, 2]}
    answer, texts = run(context, "structured", model="demo+rate=0")
    assert set(json.loads(texts[Kind.TEXT])) == {"answer"}
    assert answer.finish_reason == "stop"


def test_a_chain_without_a_model_ends_with_its_iterator_or_says_otherwise(context: WorkerContext) -> None:
    answer, texts = run(context, "shouted")
    assert (texts[Kind.TEXT], answer.finish_reason, answer.usage) == ("TIDES", "stop", None)
    for name, reason in (("said_cut", "length"), ("said_whole", "stop")):
        answer, texts = run(context, name)
        assert (texts[Kind.TEXT], answer.finish_reason) == ("so far", reason)
        assert answer.usage is not None
        assert (answer.usage["input_tokens"], answer.usage["output_tokens"]) == (3, 2)


def test_a_chain_is_told_the_messages(context: WorkerContext) -> None:
    _, texts = run(context, "messages_in", instructions="rule", input="hi")
    messages = [{"role": "system", "content": "rule"}, {"role": "user", "content": "hi"}]
    assert json.loads(texts[Kind.TEXT]) == messages


def test_tokens_that_a_chain_keeps_to_itself_are_signs_of_life(context: WorkerContext) -> None:
    for script in ("", "+think=9+tokens=0"):
        _, texts = run(context, "collected", model=f"demo+rate=0+tokens=20{script}")
        assert texts[Kind.TEXT].startswith("heard")


# -- ends that are none --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "script"), [("plain", "done=5"), ("parsed", "nodone=5"), ("revised", "fin=2"), ("branches", "done=5")]
)
def test_invariant_6_never_false_success(context: WorkerContext, name: str, script: str) -> None:
    with pytest.raises(ModelError, match="ended before its answer did") as caught:
        run(context, name, model=f"demo+rate=0+{script}")
    assert caught.value.transient


def test_a_model_that_never_says_why_it_ended_is_not_believed(context: WorkerContext) -> None:
    with pytest.raises(ModelError, match="ended before its answer did"):
        run(context, "mute_model")


@pytest.mark.parametrize(
    ("script", "words", "transient"),
    [("status=503", "answered 503", True), ("status=401", "answered 401", False), ("drop=3", "connection", True)],
)
def test_a_fault_of_the_server_is_one_as_in_any_job(
    context: WorkerContext, script: str, words: str, transient: bool
) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        run(context, "parsed", model=f"demo+rate=0+{script}")
    assert caught.value.transient is transient


def test_a_chain_may_know_another_way(context: WorkerContext) -> None:
    answer, texts = run(context, "with_fallback", model="demo+rate=0+status=500")
    assert texts[Kind.TEXT]
    assert (answer.finish_reason, answer.usage and answer.usage["output_tokens"]) == ("stop", 5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken", f"KeyError: .*{SECRET}"),
        ("broken_behind_a_model", "JSONDecodeError"),
        ("exiting", "exited: no licence"),
        ("numbers", "TypeError: it gave a int; text, AI messages and dicts"),
        ("a_stranger_inside", "Error: .*object"),
        ("no_chain", "TypeError: Expected a Runnable"),
        ("missing", "AttributeError"),
    ],
)
def test_an_error_of_the_users_ends_the_job_and_is_not_logged(
    context: WorkerContext, name: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ModelError, match=f"^The chain {run.__module__}:{name} .*{words}") as caught:
        run(context, name)
    assert not caught.value.transient
    assert SECRET not in caplog.text


def test_what_a_server_refuses_is_done_without_from_then_on(context: WorkerContext) -> None:
    model = "demo+rate=0+tokens=9+nooptions"
    with pytest.raises(ModelError) as caught:
        run(context, "parsed", model=model)
    assert caught.value.transient  # so that it is asked again
    answer, texts = run(context, "parsed", model=model)
    assert texts[Kind.TEXT]
    assert answer.finish_reason == "stop"


def test_a_whole_answer_to_a_chain_that_streams_is_one(context: WorkerContext) -> None:
    answer, texts = run(context, "parsed", model="demo+rate=0+tokens=9+nostream")
    assert texts[Kind.TEXT]
    assert answer.finish_reason == "stop"

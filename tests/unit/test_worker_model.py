"""The chat model against the demo model's server: our quick chunks are those of the stock client."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.request import urlopen

import pytest
from langchain_core.messages import AIMessageChunk

from jobs.settings import Settings
from tests.support.rows import accepted
from tests.support.stack import DemoModel
from worker import chains
from worker.answer import Answer, Kind
from worker.faults import fault_of
from worker.model import ChatModel, Models, chat_model, http_client

OPENAI = "https://api.openai.com/v1"
REASONING = {"field": "+think=5", "other-field": "+think=5+field=reasoning", "tags": "+think=5+field=tag"}
SCRIPTS = {"plain": "", **REASONING, "no-usage": "+nousage", "bytes": "+bytes", "cut": "+filter=3", "error": "+error=3"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """With the demo model's address."""
    demo = DemoModel(tmp_path_factory.mktemp("demo"))
    with urlopen(f"{demo.url}/models", timeout=30):
        yield Settings.load(openai_base_url=demo.url, openai_api_key="demo")
    demo.close()


def chunks_of(model: ChatModel, **options: Any) -> list[object]:
    """What a caller of the model gets up to the first error, without what differs from request to request."""
    chunks: list[object] = []
    try:
        for chunk in model.stream("Explain tides", **options):
            chunks.append(chunk.model_dump(exclude={"id"}))
    except Exception as error:  # noqa: BLE001  (which one it is has to be the same)
        chunks.append(repr(error))
    return chunks


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_quick_chunks_are_the_stock_ones(settings: Settings, script: str) -> None:
    with http_client(settings) as client:
        model = chat_model(settings, client, f"demo+rate=0+tokens=9{script}")
        quick, limited = chunks_of(model), chunks_of(model, max_tokens=4)
        model.client = model.root_client.chat.completions
        assert quick == chunks_of(model)
        assert limited == chunks_of(model, max_tokens=4)
    assert len(quick) > 3


def ask(settings: Settings, script: str, **options: Any) -> tuple[Answer, str, str]:
    """An answer as a generation reads it, its reasoning and its text."""
    asked = accepted(model=f"demo+rate=0{script}", input="Explain tides", **options)
    answer, said = Answer(), dict.fromkeys(Kind, "")
    for kind, text in filter(None, answer.pieces(chains.stream(Models(settings), asked))):
        said[kind] += text
    return answer, said[Kind.REASONING], said[Kind.TEXT]


@pytest.mark.parametrize("habit", [*REASONING.values(), "+think=5+nostream", "+think=5+nooptions"])
def test_a_server_with_habits_gives_the_same_answer(settings: Settings, habit: str) -> None:
    answer, reasoning, text = ask(settings, f"+tokens=20{habit}")
    assert (reasoning, text) == ask(settings, "+tokens=20+think=5")[1:]
    assert all((reasoning, text))
    assert answer.finish_reason == "stop"
    assert (answer.usage and answer.usage["reasoning_tokens"]) == (None if "nooptions" in habit else 5)


def test_many_at_once_find_out_that_a_server_refuses_options(settings: Settings) -> None:
    models, name = Models(settings), "demo+rate=0+tokens=3+nooptions+headers=0.2"
    asked = accepted(model=name)

    def text(_: int) -> str:
        return "".join(str(chunk.content) for chunk in chains.stream(models, asked))

    with ThreadPoolExecutor(3) as threads:
        assert len(set(threads.map(text, range(3)))) == 1
    assert not models.sends_usage(name)


def test_a_limit_reaches_the_server_in_the_name_it_knows(settings: Settings) -> None:
    answer, _, _ = ask(settings, "", max_output_tokens=4)
    assert (answer.finish_reason, answer.usage and answer.usage["output_tokens"]) == ("length", 4)
    for url, name in ((settings.openai_base_url, "max_tokens"), (OPENAI, "max_completion_tokens")):
        with http_client(settings) as client:
            model = chat_model(settings.model_copy(update={"openai_base_url": url}), client, "demo")
            payload = model._get_request_payload("hi", max_tokens=4)
        assert {key: payload[key] for key in payload if key.startswith("max_")} == {name: 4}


def test_a_whole_answer_keeps_its_reasoning(settings: Settings) -> None:
    with http_client(settings) as client:
        message = chat_model(settings, client, "demo+rate=0+tokens=3+think=4+field=reasoning").invoke("hi")
    assert not isinstance(message, AIMessageChunk)
    assert message.additional_kwargs["reasoning_content"]
    assert message.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("script", "words", "transient", "retry_after"),
    [
        ("+status=429+retry_after=7", "answered 429", True, 7.0),
        ("+status=503", "answered 503", True, None),
        ("+status=401", "answered 401", False, None),
        ("+error=3", "ran out of memory", True, None),
        ("+drop=3", "The connection to the model server", True, None),
        ("+badjson=3", "malformed line", True, None),
    ],
)
def test_a_fault_has_the_providers_words(
    settings: Settings, script: str, words: str, transient: bool, retry_after: float | None
) -> None:
    with pytest.raises(Exception, match=".") as caught:
        ask(settings, f"+tokens=9{script}")
    fault = fault_of(caught.value, settings.openai_base_url)
    assert fault
    assert words in fault.message
    assert (fault.transient, fault.retry_after) == (transient, retry_after)
    assert fault.pause(3) >= (retry_after or 4)
    assert fault_of(KeyError("ours"), settings.openai_base_url) is None

"""The chat model against the demo model's server: our quick chunks are those of the stock client."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.request import urlopen

import openai
import pytest
from langchain_core.messages import AIMessageChunk

from jobs.settings import Settings
from tests.support.stack import DemoModel
from worker import chains
from worker.answer import Answer, Kind
from worker.faults import fault_of
from worker.model import Models, chat_model, http_client

SCRIPTS = {
    "plain": "",
    "reasoning_content": "+think=5",
    "reasoning": "+think=5+field=reasoning",
    "tags": "+think=5+field=tag",
    "no-usage": "+nousage",
    "bytes": "+bytes+tokens=3",
    "filtered": "+filter=3",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoModel]:
    model = DemoModel(tmp_path_factory.mktemp("demo"))
    with urlopen(f"{model.url}/models", timeout=30):
        yield model
    model.close()


@pytest.fixture
def settings(demo: DemoModel) -> Settings:
    return Settings(openai_base_url=demo.url, openai_api_key="demo")


def chunks_of(model: Any, **options: Any) -> list[dict[str, Any]]:
    """What a caller of the model gets, without what differs from request to request."""
    return [chunk.model_dump(exclude={"id"}) for chunk in model.stream("Explain tides", **options)]


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_quick_chunks_are_the_stock_ones(settings: Settings, script: str) -> None:
    with http_client(settings) as client:
        model = chat_model(settings, client, f"demo+rate=0+tokens=20{script}")
        quick, quick_full = chunks_of(model), chunks_of(model, max_tokens=4)
        model.client = model.root_client.chat.completions
        assert quick == chunks_of(model)
        assert quick_full == chunks_of(model, max_tokens=4)
    assert len(quick) > 3


def said(settings: Settings, script: str, **options: Any) -> tuple[Answer, dict[Kind, str]]:
    """An answer as a generation reads it."""
    request = {"model": f"demo+rate=0{script}", "messages": [{"role": "user", "content": "Explain tides"}], **options}
    answer, texts = Answer(), dict.fromkeys(Kind, "")
    for piece in filter(None, answer.pieces(chains.stream(Models(settings), request))):
        texts[piece[0]] += piece[1]
    return answer, texts


def test_reasoning_is_kept_in_every_spelling(settings: Settings) -> None:
    spellings = [said(settings, f"+tokens=20{SCRIPTS[name]}") for name in ("reasoning_content", "reasoning", "tags")]
    assert spellings[0][1] == spellings[1][1] == spellings[2][1]
    for answer, texts in spellings:
        assert all(texts.values())
        assert answer.finish_reason == "stop"
        assert answer.usage
        assert answer.usage["reasoning_tokens"] == 5


@pytest.mark.parametrize("habit", ["+nostream", "+nooptions", "+nostream+think=5"])
def test_a_server_with_habits_gives_the_same_answer(settings: Settings, habit: str) -> None:
    answer, texts = said(settings, f"+tokens=20{habit}")
    plain = said(settings, f"+tokens=20{'+think=5' if 'think' in habit else ''}")
    assert texts == plain[1]
    assert answer.finish_reason == "stop"
    assert answer.usage == (None if "nooptions" in habit else plain[0].usage)


def test_many_at_once_find_out_that_a_server_refuses_options(settings: Settings) -> None:
    models = Models(settings)
    asked = {"model": "demo+rate=0+tokens=3+nooptions+headers=0.2", "messages": [{"role": "user", "content": "hi"}]}

    def ask(_number: int) -> str:
        return "".join(str(chunk.content) for chunk in chains.stream(models, asked))

    with ThreadPoolExecutor(3) as threads:
        assert len(set(threads.map(ask, range(3)))) == 1
    assert not models.sends_usage(asked["model"])  # type: ignore[arg-type]  # a str


def test_a_limit_reaches_the_server_in_the_name_it_knows(settings: Settings) -> None:
    answer, _ = said(settings, "", max_output_tokens=4)
    assert (answer.finish_reason, answer.usage and answer.usage["output_tokens"]) == ("length", 4)
    for url, name in ((settings.openai_base_url, "max_tokens"), ("https://api.openai.com/v1", "max_completion_tokens")):
        with http_client(settings) as client:
            model = chat_model(settings.model_copy(update={"openai_base_url": url}), client, "demo")
            payload = model._get_request_payload("hi", max_tokens=4)
        assert payload[name] == 4
        assert len({"max_tokens", "max_completion_tokens"} & payload.keys()) == 1


def test_a_whole_answer_keeps_its_reasoning(settings: Settings) -> None:
    with http_client(settings) as client:
        model = chat_model(settings, client, "demo+rate=0+tokens=3+think=4+field=reasoning")
        message = model.invoke("hi")
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
        said(settings, f"+tokens=9{script}")
    fault = fault_of(caught.value, settings.openai_base_url)
    assert fault
    assert words in fault.message
    assert (fault.transient, fault.retry_after) == (transient, retry_after)
    assert fault.pause(3) >= (retry_after or 4)


def test_an_error_of_our_own_is_no_fault_of_the_model(settings: Settings) -> None:
    assert fault_of(KeyError("x"), settings.openai_base_url) is None
    assert fault_of(openai.OpenAIError("x"), settings.openai_base_url) is None

"""What is read quickly of a model's chunks is what the stock client, and LangChain, make of them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.tracers.context import collect_runs

from jobs.settings import Settings
from tests.support.job_factory import accepted
from worker.model import call
from worker.model.answer.model_chunk import ModelChunk, model_chunk
from worker.model.chat_model import ChatModel, Models, chat_model
from worker.model.http.http_client import http_client
from worker.model.request import ModelRequest

REASONING = {"field": "+think=5", "other-field": "+think=5+field=reasoning", "tags": "+think=5+field=tag"}
SCRIPTS = {"plain": "", **REASONING, "no-usage": "+nousage", "bytes": "+bytes", "cut": "+filter=3", "error": "+error=3"}


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
        quick = [chunks_of(model), chunks_of(model, max_tokens=4)]
        model.client = model.root_client.chat.completions
        stock = [chunks_of(model), chunks_of(model, max_tokens=4)]
        if script == SCRIPTS["error"]:  # another exception with the same words
            assert all("ran out of memory" in str(chunks.pop()) for chunks in (*quick, *stock))
        assert quick == stock
    assert len(quick[0]) > 3


def facts(chunk: ModelChunk | AIMessageChunk) -> tuple[Any, ...]:
    """All that a generation reads of a chunk."""
    reason = chunk.response_metadata.get("finish_reason")
    return chunk.content, {**chunk.additional_kwargs}, [*chunk.tool_call_chunks], reason, chunk.usage_metadata


@pytest.mark.parametrize("script", [script for name, script in SCRIPTS.items() if name != "error"])
def test_chunks_without_langchains_objects_say_the_same(settings: Settings, script: str) -> None:
    with http_client(settings) as client:
        model = chat_model(settings, client, f"demo+rate=0+tokens=9{script}")
        quick = [facts(chunk) for chunk in model.chunks([HumanMessage("Explain tides")], stream_usage=True)]
        model.client = model.root_client.chat.completions
        stock = [facts(chunk) for chunk in model.stream("Explain tides")]
    nothing = facts(ModelChunk(""))
    assert [each for each in quick if each != nothing] == [each for each in stock if each != nothing]


def test_chunks_of_tool_calls_are_langchains(settings: Settings) -> None:
    calls = [{"index": 0, "id": "call_1", "function": {"name": "look", "arguments": "{"}}]
    delta = {"role": "assistant", "content": None, "tool_calls": calls}
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]}
    with http_client(settings) as client:
        stock = chat_model(settings, client, "demo")._convert_chunk_to_generation_chunk(chunk, AIMessageChunk, None)
    assert stock
    assert stock.generation_info
    stock.message.response_metadata |= stock.generation_info
    assert isinstance(stock.message, AIMessageChunk)
    assert facts(model_chunk(chunk)) == facts(stock.message)


def test_who_listens_to_models_hears_ours(settings: Settings) -> None:
    model_request = ModelRequest.for_job(accepted(model="demo+rate=0+tokens=5", input="Explain tides"))
    with collect_runs() as runs:
        assert [*call.stream(Models(settings), model_request)]
    (run,) = runs.traced_runs
    assert run.outputs
    assert run.outputs["generations"][0][0]["text"]

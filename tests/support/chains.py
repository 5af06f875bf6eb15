"""Chains as users write them, and what a generation hears of one."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda
from pydantic import BaseModel, SecretStr

from tests.support.job_factory import accepted
from worker.context import WorkerContext
from worker.model import runnables
from worker.model.cancellation import Cancellation, Timeouts, current_call
from worker.model.chat_model import ChatModel
from worker.model.chunks import ChunkReader, Kind, Piece, Slot
from worker.model.request import ModelRequest

Chain = Runnable[Any, Any]
ASK = ChatPromptTemplate([("user", "{topic}")])
SECRET = "the patient's name"
PATIENCE = Timeouts(first=10, gap=60, total=600)


def pieces(
    context: WorkerContext, name: str, topic: str, stop: Cancellation, answer: ChunkReader, **body: Any
) -> Iterator[Piece]:
    """What a chain of this file says about a topic, as a generation hears it."""
    model_request = ModelRequest.for_job(accepted(**{"model": "demo+rate=0+tokens=20", **body}))
    with stop.call(PATIENCE) as call:
        whole_name = name if ":" in name else f"tests.support.chains:{name}"
        chunks = runnables.stream(context.models, model_request, whole_name, {"topic": topic, "language": "en"}, call)
        try:
            for piece in answer.pieces(chunks):
                if piece is not None:
                    yield piece
                call.check()
        finally:
            chunks.close()


def run(context: WorkerContext, name: str, topic: str = "tides", **body: Any) -> tuple[ChunkReader, dict[Slot, str]]:
    """The end of a chain's answer, and its texts."""
    answer = ChunkReader()
    texts: dict[Slot, str] = dict.fromkeys(Kind, "")
    for kind, text in pieces(context, name, topic, Cancellation(), answer, **body):
        texts[kind] += text
    return answer, texts


def plain(model: BaseChatModel) -> Chain:
    return ASK | model


def parsed(model: BaseChatModel) -> Chain:
    return ASK | model | StrOutputParser()


def revised(model: BaseChatModel) -> Chain:
    draft = ASK | model.bind(max_tokens=4) | StrOutputParser()
    return {"topic": draft} | ASK | model | StrOutputParser()


def collected(model: BaseChatModel) -> Chain:
    def patient(message: AIMessage) -> str:
        call = current_call.get()
        assert call is not None
        call.check_silence(time.monotonic() + 30)  # longer than the patience for a first token
        return f"heard {len(message.text)}"

    return ASK | model | RunnableLambda(patient)


def branches(model: BaseChatModel) -> Chain:
    facts = ASK | model.bind(extra_body={"response_format": {"type": "json_object"}}) | JsonOutputParser()
    return RunnableLambda(lambda values: values) | {"text": parsed(model), "message": ASK | model, "facts": facts}


def growing(model: BaseChatModel) -> Chain:
    def grow(_: Iterator[Any]) -> Iterator[dict[str, Any]]:
        yield {"title": "Ti"}
        yield {"title": "Tides"}
        yield {"title": "Tides", "words": [1, 2]}

    return RunnableGenerator(grow)


class Tide(BaseModel):
    """What the structured output is to be."""

    answer: str


def structured(model: BaseChatModel) -> Chain:
    return ASK | model.with_structured_output(Tide, method="json_schema")


def told_reasons(reason: str) -> Chain:
    def say(_: Iterator[Any]) -> Iterator[AIMessageChunk]:
        yield AIMessageChunk(content="so far")
        yield AIMessageChunk(
            content="",
            response_metadata={"finish_reason": reason},
            usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        )

    return RunnableGenerator(say)


said_cut, said_whole = told_reasons("length"), told_reasons("stop")
shouted: Chain = RunnableLambda(lambda values: values["topic"].upper())
messages_in: Chain = RunnableLambda(lambda values: json.dumps(values["messages"]))
numbers: Chain = RunnableLambda(lambda _: 5)
a_stranger_inside: Chain = RunnableLambda(lambda _: {"a": object()})
mute: Chain = GenericFakeChatModel(messages=iter([AIMessage("no reason given")] * 9))
mute_model: Chain = ASK | mute | StrOutputParser()


def broken(model: BaseChatModel) -> Chain:
    def fail(_: Any) -> str:
        raise KeyError(SECRET)

    return RunnableLambda(fail)


def broken_behind_a_model(model: BaseChatModel) -> Chain:
    return parsed(model) | RunnableLambda(json.loads)


def exiting(model: BaseChatModel) -> Chain:
    return RunnableLambda(lambda _: sys.exit("no licence"))


def no_chain(model: BaseChatModel) -> Any:
    return 5


def with_fallback(model: ChatModel) -> Chain:
    second = model.model_copy(update={"model_name": "demo+rate=0+tokens=5"})
    return (parsed(model)).with_fallbacks([ASK | second | StrOutputParser()])


def foreign(model: ChatModel) -> Chain:
    """A model of the user's own: Penstock knows nothing of its connections."""
    own = ChatModel(
        model=model.model_name, base_url=model.openai_api_base, api_key=SecretStr("x"), max_retries=0, stream_usage=True
    )
    return ASK | own | StrOutputParser()

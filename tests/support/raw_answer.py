"""One answer of a model server, asked for and read as a generation does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.tracers.context import collect_runs

from jobs.settings import Settings
from tests.support.job_factory import accepted
from tests.support.raw_server import RawServer, Reply, chunk, http, raw_server
from worker.model import call
from worker.model.cancellation import Cancellation, Timeouts
from worker.model.chat_model import Models
from worker.model.chunks import ChunkReader, Kind
from worker.model.errors import ModelError
from worker.model.request import ModelRequest

STOP = chunk(finish="stop")
BODY = chunk("Yes.") + STOP


@dataclass
class Read:
    """An answer as a generation reads it."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    reader: ChunkReader = field(default_factory=ChunkReader)


def ask(server: RawServer, models: Models | None = None, **body: Any) -> Read:
    """Ask once. Raises ModelError."""
    read = Read()
    models = models or Models(Settings.load(openai_base_url=server.url, openai_api_key="k"))
    model_request = ModelRequest.for_job(accepted(**{"model": "raw", "input": "hi", **body}))
    with Cancellation().call(Timeouts(10, 10, 10)):
        for kind, text in filter(None, read.reader.pieces(call.stream(models, model_request))):
            match kind:
                case Kind.RETRACTION:
                    read.reasoning, read.text = read.reasoning + read.text, ""
                case Kind.TEXT:
                    read.text += text
                case Kind.REFUSAL:
                    read.refusal += text
                case _:
                    read.reasoning += text
    read.reader.check_end()
    return read


def read(reply: Reply, **body: Any) -> Read:
    """The answer in one reply, which is asked for once. With a tracer, for whom LangChain reads it, it is the same."""
    quick = _read_once(reply, body)
    with collect_runs():
        stock = _read_once(reply, body)
    assert _facts(quick) == _facts(stock)
    if isinstance(quick, ModelError):
        raise quick
    return quick


def _read_once(reply: Reply, body: Mapping[str, Any]) -> Read | ModelError:
    with raw_server(reply) as server:
        try:
            return ask(server, **body)
        except ModelError as error:
            return error
        finally:
            assert server.requests == 1


def _facts(found: Read | ModelError) -> tuple[Any, ...]:
    """All that a generation learns from an answer, or from its fault."""
    if isinstance(found, ModelError):
        return re.sub(r"127\.0\.0\.1:\d+", "", found.message), found.code, found.status, found.transient
    reader = found.reader
    return found.text, found.reasoning, found.refusal, reader.end, reader.finish_reason, reader.usage


def whole(finish: Any, text: str = "Yes.") -> Reply:
    message = {"role": "assistant", "content": text}
    return http(
        200, {"id": "1", "object": "chat.completion", "choices": [{"message": message, "finish_reason": finish}]}
    )

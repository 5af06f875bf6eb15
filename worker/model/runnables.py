"""The user's own chains: whatever LangChain Runnable a prompt names, heard like a model.

Their code may fail in any way, and take down no more than its job.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from typing import Any, cast
from uuid import UUID

import orjson
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.outputs import LLMResult
from langchain_core.runnables import AddableDict, Runnable
from langchain_core.runnables.base import coerce_to_runnable
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from jobs.background import log_error
from jobs.requests.runnables import load_runnable
from worker.model.answer.finish_reason import End, end_of
from worker.model.call import options_for
from worker.model.cancellation import Call, Stopped
from worker.model.chat_model import Models
from worker.model.errors import ModelError
from worker.model.features import STREAM, USAGE, refused_feature
from worker.model.request import ModelRequest
from worker.model.tool_messages import for_langchain, joined_calls

# What the servers of this world call the reason for an answer's end.
_REASONS = ("finish_reason", "stop_reason", "done_reason")


def stream(
    models: Models, model_request: ModelRequest, name: str, values: Mapping[str, Any], call: Call
) -> Generator[AIMessage]:
    """What the chain of this name makes of `values` and the messages, as chunks of a model's answer.

    The last chunk says how the models of the chain ended, and what they cost. Raises ModelError, Stopped.
    """
    watch = _Watch(call)
    chunks: Any = None
    try:
        inputs = _inputs(model_request, values)
        chunks = _chain(models, model_request, name).stream(inputs, {"callbacks": [watch]})
        yield from _messages(chunks, watch)
        yield watch.ending()
    except (ModelError, Stopped):
        raise
    except _Left:
        call.check()
    except SystemExit as error:
        raise ModelError(f"The chain {name} exited: {error}", transient=False, cause_code="chain_failed") from error
    except Exception as error:
        call.check()  # a socket that we shut fails like any other
        raise _fault(models, model_request, name, watch, error) from error
    finally:
        call.shut()
        with suppress(Exception, _Left):
            while watch.running:  # when it is closed, a chain with a parser reads its model to the end
                next(chunks)
            chunks.close()


def _inputs(model_request: ModelRequest, values: Mapping[str, Any]) -> Mapping[str, Any]:
    messages = [*for_langchain(joined_calls(model_request.messages))]
    return {**values, "messages": messages} if messages else values


def _chain(models: Models, model_request: ModelRequest, name: str) -> Runnable[Any, Any]:
    """The chain; one that is made by a function is made with our model, whose sockets we can shut."""
    target = load_runnable(name, models.prompt_folder)
    if isinstance(target, Runnable):
        return target
    refused = models.refused(model_request.model)
    # A response format is for what comes out at the end of the chain.
    options, used = options_for(replace(model_request, response_format=None), refused)
    options |= {"stream_usage": USAGE in used, "disable_streaming": STREAM in refused}
    chain = target(models.get(model_request.model).model_copy(update=options))
    return cast(Runnable[Any, Any], coerce_to_runnable(chain))


def _messages(chunks: Iterable[Any], watch: _Watch) -> Iterator[AIMessage]:
    """The chunks of a chain as messages; objects as one text of JSON, once they are whole. Raises ModelError."""
    whole = None
    for chunk in chunks:
        match chunk:
            case AIMessage():
                reason = chunk.response_metadata.get("finish_reason")
                if end_of(reason) is not None:
                    watch.reasons.append(str(reason))
                yield chunk
            case str():
                yield AIMessageChunk(content=chunk)
            case dict() | BaseModel():
                whole = _added(whole, chunk)
                watch.call.progress(text=True)
                yield AIMessageChunk(content="")
            case _:
                raise TypeError(f"it gave a {type(chunk).__name__}; text, AI messages and dicts are understood")
    watch.check_ends()
    if whole is not None:
        text = orjson.dumps(whole, default=_plain, option=orjson.OPT_INDENT_2).decode()
        yield AIMessageChunk(content=text)


def _added(before: Any, piece: Any) -> Any:
    """The two as one: the fields of a RunnableParallel are pieces that add up, a parser gives all so far each time."""
    match before, piece:
        case dict(), AddableDict():
            return {**before, **{name: _added(before.get(name), value) for name, value in piece.items()}}
        case (str(), str()) | (AIMessageChunk(), AIMessageChunk()):
            return before + piece
        case _:
            return piece


def _plain(value: Any) -> Any:
    """What JSON has for a value of another library's."""
    return str(value.text) if isinstance(value, AIMessage) else to_jsonable_python(value)


def _fault(models: Models, model_request: ModelRequest, name: str, watch: _Watch, error: Exception) -> ModelError:
    """What an exception that came out of the chain means: a model that failed, or the user's code."""
    refused = models.refused(model_request.model)
    used = [feature for feature in (USAGE, STREAM) if feature not in refused]
    if feature := refused_feature(str(error), used, getattr(error, "status_code", None)):
        models.refuse(model_request.model, feature)
        return models.fault(model_request.model, ModelError(str(error)))
    if any(error is other for other in watch.errors):
        return models.fault(model_request.model, error)
    log_error(f"runnable {name}", error)
    fault = ModelError(
        f"The chain {name} failed: {type(error).__name__}: {error}", transient=False, cause_code="chain_failed"
    )
    return models.fault(model_request.model, fault)


class _Left(BaseException):
    """The job is done with this chain. No Exception: the chain is not to find another way."""


class _Watch(BaseCallbackHandler):
    """Hears of each model that a chain asks, whoever's it is, and stops it when the job has to stop."""

    raise_error = True

    def __init__(self, call: Call) -> None:
        self.call = call
        self.running: set[UUID] = set()
        self.reasons: list[str | None] = []
        self.errors: list[BaseException] = []
        self._usages: list[UsageMetadata] = []

    def check_ends(self) -> None:
        """Raises ModelError when a model's answer had no end that can be believed."""
        if None in self.reasons:  # invariant 6
            raise ModelError("A model's stream ended before its answer did.")
        if broken := next((reason for reason in self.reasons if end_of(reason) is End.FAULT), None):
            raise ModelError(f"A model of the chain broke its answer off: {broken:.200}")

    def ending(self) -> AIMessageChunk:
        """How all of the models' answers ended, taken together, and their usage."""
        cut = (reason for reason in self.reasons if end_of(reason) in (End.LENGTH, End.FILTER))
        reason = next(cut, "stop")
        usage = reduce(add_usage, self._usages) if self._usages else None
        return AIMessageChunk(content="", response_metadata={"finish_reason": reason}, usage_metadata=usage)

    def on_llm_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        """A model is about to be asked."""
        self._check()
        self.running.add(run_id)

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **_: Any) -> None:
        """A chunk of an answer, which the chain may keep to itself for long."""
        message = getattr(chunk, "message", None)
        unspoken = [getattr(message, name, None) for name in ("additional_kwargs", "tool_call_chunks")]
        self.call.progress(text=any([token, *unspoken]))
        self._check()

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """A whole answer, or one that was cut off without an error: then no reason is given."""
        self.running.discard(run_id)
        for generation in (one for several in response.generations for one in several):
            message = getattr(generation, "message", None)
            metadata = {**(generation.generation_info or {}), **getattr(message, "response_metadata", {})}
            reasons = (str(metadata[name]) for name in _REASONS if end_of(metadata.get(name)) is not None)
            self.reasons.append(next(reasons, None))
            if usage := getattr(message, "usage_metadata", None):
                self._usages.append(usage)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """An answer that failed; the chain may still know another way."""
        self.running.discard(run_id)
        self.errors.append(error)

    def _check(self) -> None:
        if self.call.is_shut:
            raise _Left

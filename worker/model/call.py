"""The chain that most prompts run, a chat model with its options bound; what a server refuses is done without.

The prompt is not a part of it: `prompt | model` would add up the whole text with every chunk, for a tracer.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

from langchain_core.callbacks import CallbackManager
from langchain_core.messages import AIMessage, AIMessageChunk

from jobs.requests.prompts import Message
from worker.model.answer.model_chunk import ModelChunk
from worker.model.chat_model import Models
from worker.model.errors import ENDED_EARLY, ModelError
from worker.model.features import (
    JSON,
    JSON_SCHEMA,
    MAX_TOKENS,
    PARALLEL_CALLS,
    SAME_ROLES,
    STREAM,
    SYSTEM_ROLE,
    USAGE,
    refused_feature,
)
from worker.model.messages import arranged, fewer
from worker.model.request import ModelRequest
from worker.model.tool_messages import for_langchain

_AS_JSON = "Answer with one JSON object and nothing else."
_AS_SCHEMA = _AS_JSON + " It follows this JSON schema:\n{schema}"


def stream(models: Models, model_request: ModelRequest) -> Generator[ModelChunk | AIMessage]:
    """The chunks of an answer, as the model sends them; closing the iterator closes the connection.

    A server that refuses a feature is asked without it, and one for which the messages are too many is told fewer, if
    that is wanted. Raises ModelError for whatever goes wrong.
    """
    while True:
        begun = False
        options, used = options_for(model_request, models.refused(model_request.model))
        try:
            for chunk in _chunks(models, model_request, options, used):
                begun = begun or _says_something(chunk)
                yield chunk
        except Exception as error:
            fault = models.fault(model_request.model, error)
            simpler = None if begun else _simpler(models, model_request, used, fault)
            if simpler is None:
                raise fault from error
            model_request = simpler
        else:
            return


def _chunks(
    models: Models, model_request: ModelRequest, options: Mapping[str, Any], used: list[str]
) -> Generator[ModelChunk | AIMessage]:
    if STREAM not in used:
        options = {**options, "extra_body": {**options["extra_body"], "stream": False}}
    model = models.get(model_request.model)
    messages = [*for_langchain(messages_for(model_request, models.refused(model_request.model)))]
    if not CallbackManager.configure().handlers:
        yield from model.chunks(messages, **options, stream_usage=USAGE in used)
        return
    try:  # a tracer, which the environment asks for, wants to see LangChain's own objects
        yield from model.stream(messages, **options, stream_usage=USAGE in used)
    except ValueError as error:
        if "No generation chunks" not in str(error):
            raise
        raise ModelError(ENDED_EARLY) from error


def _says_something(chunk: ModelChunk | AIMessage) -> bool:
    calls = chunk.tool_call_chunks if isinstance(chunk, ModelChunk | AIMessageChunk) else ()
    return bool(chunk.content or chunk.additional_kwargs or calls)


def _simpler(models: Models, model_request: ModelRequest, used: list[str], fault: ModelError) -> ModelRequest | None:
    """The request to try instead of one that was refused; None when nothing can be left out."""
    if feature := refused_feature(fault.message, used, fault.status):
        models.refuse(model_request.model, feature)
        return model_request
    if "invalid schema" in fault.message.lower() and JSON_SCHEMA in used:  # the server takes others
        return replace(model_request, schema_in_words=True)
    shorter = fewer(model_request.messages)
    lasting = fault.status in (400, 413, 422)
    if model_request.shortens and lasting and "context" in fault.message and len(shorter) < len(model_request.messages):
        return model_request.with_messages(shorter)
    return None


def options_for(model_request: ModelRequest, refused: frozenset[str]) -> tuple[dict[str, Any], list[str]]:
    """The options of a call, and the features in it that the server may refuse."""
    options = dict(model_request.options)
    used = [feature for feature in (USAGE, SAME_ROLES, SYSTEM_ROLE, STREAM) if feature not in refused]
    body: dict[str, Any] = {}
    if PARALLEL_CALLS in options:
        if PARALLEL_CALLS in refused:
            del options[PARALLEL_CALLS]
        else:
            used.append(PARALLEL_CALLS)
    if MAX_TOKENS in options and MAX_TOKENS not in refused:
        used.append(MAX_TOKENS)
        body[MAX_TOKENS] = options.pop(MAX_TOKENS)  # left to ChatOpenAI, it becomes max_completion_tokens
    response_format = model_request.response_format or {}
    kinds = [response_format["type"], JSON] if response_format else []
    if model_request.schema_in_words:
        kinds = [JSON] if kinds else []
    if kind := next((kind for kind in kinds if kind not in refused), None):
        used.append(kind)
        schema = {name: value for name, value in response_format.items() if name != "type"}
        # By its own name ChatOpenAI would have the SDK parse each chunk, and lose an answer that is cut short.
        body["response_format"] = {"type": kind} | ({kind: schema} if kind == JSON_SCHEMA else {})
    return {**options, "extra_body": body}, used


def messages_for(model_request: ModelRequest, refused: frozenset[str]) -> list[Message]:
    """The messages as the server takes them; with the schema in words for one that does not take it otherwise."""
    messages = list(model_request.messages)
    response_format = model_request.response_format
    if response_format and "schema" in response_format and (model_request.schema_in_words or JSON_SCHEMA in refused):
        schema = json.dumps(response_format["schema"])
        messages.append({"role": "system", "content": _AS_SCHEMA.format(schema=schema)})
    elif response_format and (model_request.schema_in_words or JSON in refused):
        messages.append({"role": "system", "content": _AS_JSON})
    return arranged(messages, system_role=SYSTEM_ROLE not in refused, merged=SAME_ROLES in refused)

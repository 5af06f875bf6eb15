"""The chain that most prompts run, a chat model with its options bound; what a server refuses is done without.

The prompt is not a part of it: `prompt | model` would add up the whole text with every chunk, for a tracer.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import openai
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from jobs.requests.prompts import Message
from worker.model.chat_model import JSON, JSON_SCHEMA, MAX_TOKENS, STREAM, USAGE, Models
from worker.model.errors import ModelError
from worker.model.request import ModelRequest

_AS_JSON = "Answer with one JSON object and nothing else. It follows this JSON schema:\n{schema}"
# What an error message names when it refuses something. A limit that is too high is not refused by its name.
_NAMES = {
    USAGE: ("stream_options",),
    MAX_TOKENS: ("'max_tokens' is not supported",),
    JSON_SCHEMA: ("json_schema", "response_format"),
    JSON: ("response_format", "json"),
}


def stream(models: Models, ask: ModelRequest) -> Generator[AIMessage]:
    """The chunks of an answer, as the model sends them; closing the iterator closes the connection.

    A server that refuses `stream_options`, `max_tokens` or a form is asked without, one that cannot stream for the
    whole, and one for which the messages are too many is told fewer, if that is wanted.
    """
    refused = models.refused(ask.model)
    told, (options, used) = _told(ask, refused), options_for(ask, refused)
    model = models.get(ask.model).bind(**options)
    try:
        if STREAM not in refused:
            yield from model.bind(stream_usage=USAGE in used).stream(told)
        else:
            yield _whole(model, told)
    except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
        words, fewer = str(error), _fewer(ask.messages)
        feature = next((feature for feature in used if any(name in words for name in _NAMES[feature])), None)
        if feature and "must contain the word" not in words:  # JSON is given only to those who ask for it in words, too
            models.refuse(ask.model, feature)
        elif ask.shortens and "context" in words and len(fewer) < len(ask.messages):
            ask = ask.with_messages(fewer)
        else:
            raise
        yield from stream(models, ask)
    except ValueError as error:
        if "No generation chunks" not in str(error):
            raise
        yield _whole(model, told)


def options_for(ask: ModelRequest, refused: frozenset[str]) -> tuple[dict[str, Any], list[str]]:
    """The options of a call, and what of it the server may refuse."""
    options, used = dict(ask.options), [feature for feature in (USAGE,) if feature not in refused]
    body: dict[str, Any] = {}
    if MAX_TOKENS in options and MAX_TOKENS not in refused:
        used.append(MAX_TOKENS)
        body[MAX_TOKENS] = options.pop(MAX_TOKENS)  # left to ChatOpenAI, it becomes max_completion_tokens
    form: Mapping[str, Any] = ask.form or {}
    kinds = (form["type"], JSON) if form else ()
    if kind := next((kind for kind in kinds if kind not in refused), None):
        used.append(kind)
        schema = {name: value for name, value in form.items() if name != "type"}
        # By its own name ChatOpenAI would have the SDK parse each chunk, and lose an answer that is cut short.
        body["response_format"] = {"type": kind} | ({kind: schema} if kind == JSON_SCHEMA else {})
    return {**options, "extra_body": body}, used


def _told(ask: ModelRequest, refused: frozenset[str]) -> list[Message]:
    """The messages; with the schema in words for a server that does not take it otherwise."""
    if ask.form is None or "schema" not in ask.form or JSON_SCHEMA not in refused:
        return list(ask.messages)
    return [*ask.messages, {"role": "system", "content": _AS_JSON.format(schema=json.dumps(ask.form["schema"]))}]


def _fewer(messages: Sequence[Message]) -> list[Message]:
    """Without the older half of what was said; what systems say stays, and the last message does."""
    said = [message for message in messages[:-1] if message["role"] != "system"]
    dropped = said[: (len(said) + 1) // 2]
    return [message for message in messages if not any(message is one for one in dropped)]


def _whole(chain: Runnable[Any, AIMessage], told: Sequence[Message]) -> AIMessage:
    try:
        return chain.invoke(told)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"The model server's answer makes no sense: {error}", transient=False) from error

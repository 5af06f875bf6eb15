"""The chains that prompts run: LCEL, `prompt | model`."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import openai
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable

from jobs.request import Message, messages_of
from worker.faults import Fault
from worker.model import Models

# The texts of a prompt were rendered when the job was accepted, so that the row holds what was asked.
_CONVERSATION = ChatPromptTemplate([MessagesPlaceholder("messages")])


def stream(
    models: Models, request: Mapping[str, Any], messages: Sequence[Message] | None = None
) -> Generator[AIMessage]:
    """The chunks of a request's answer, as the model sends them; closing the iterator closes the connection.

    A server that refuses `stream_options` is asked without, one that cannot stream is asked for the whole. With
    `truncation: auto`, one for which `messages` (by default all of the request's) are too many is told fewer.
    """
    name, told = request["model"], messages_of(request) if messages is None else messages
    model, options, usage = models.get(name), models.options(request), models.sends_usage(name)
    try:
        chain = _CONVERSATION | model.bind(**options, stream_usage=usage)
        yield from chain.stream({"messages": told})
    except openai.BadRequestError as error:
        fewer = _fewer(told)
        if usage and "stream_options" in str(error):
            models.forget_usage(name)
        elif request["truncation"] == "auto" and "context" in str(error) and len(fewer) < len(told):
            told = fewer
        else:
            raise
        yield from stream(models, request, told)
    except ValueError as error:
        if "No generation chunks" not in str(error):
            raise
        yield _whole(_CONVERSATION | model.bind(**options), {"messages": told})


def _fewer(messages: Sequence[Message]) -> list[Message]:
    """Without the older half of what was said; what systems say stays, and the last message does."""
    said = [message for message in messages[:-1] if message["role"] != "system"]
    dropped = said[: (len(said) + 1) // 2]
    return [message for message in messages if not any(message is one for one in dropped)]


def _whole(chain: Runnable[Any, Any], values: Mapping[str, Any]) -> AIMessage:
    try:
        message = chain.invoke(values)
    except (ValueError, KeyError, TypeError) as error:
        raise Fault(f"The model server's answer makes no sense: {error}", transient=False) from error
    assert isinstance(message, AIMessage)  # noqa: S101  (for the type checker: a chat model's answer)
    return message

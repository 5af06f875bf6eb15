"""The chains that prompts run: LCEL, `prompt | model`."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import openai
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable

from worker.faults import Fault
from worker.model import Models

# The texts of a prompt were rendered when the job was accepted, so that the row holds what was asked.
_CONVERSATION = ChatPromptTemplate([MessagesPlaceholder("messages")])


def stream(models: Models, request: Mapping[str, Any]) -> Generator[AIMessage]:
    """The chunks of a request's answer, as the model sends them; closing the iterator closes the connection.

    A server that refuses `stream_options` is asked without, one that cannot stream is asked for the whole.
    """
    name, values = request["model"], {"messages": request["messages"]}
    model, options, usage = models.get(name), models.options(request), models.sends_usage(name)
    try:
        chain = _CONVERSATION | model.bind(**options, stream_usage=usage)
        yield from chain.stream(values)
    except openai.BadRequestError as error:
        if "stream_options" not in str(error) or not usage:
            raise
        models.forget_usage(name)
        yield from stream(models, request)
    except ValueError as error:
        if "No generation chunks" not in str(error):
            raise
        yield _whole(_CONVERSATION | model.bind(**options), values)


def _whole(chain: Runnable[Any, Any], values: Mapping[str, Any]) -> AIMessage:
    try:
        message = chain.invoke(values)
    except (ValueError, KeyError, TypeError) as error:
        raise Fault(f"The model server's answer makes no sense: {error}", transient=False) from error
    assert isinstance(message, AIMessage)  # noqa: S101  (for the type checker: a chat model's answer)
    return message

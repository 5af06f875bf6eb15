"""Calls of tools, and what they gave, in the form in which chat models are told of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage

from jobs.requests.messages import CALL, CALL_OUTPUT
from jobs.requests.prompts import Message

TOOL_CALLS = "tool_calls"


def joined_calls(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """The messages with each run of calls in one message of the assistant, that of the text before them if any."""
    joined: list[dict[str, Any]] = []
    for message in messages:
        if message.get("type") != CALL:
            joined.append(message)
            continue
        if not joined or joined[-1]["role"] != "assistant":
            joined.append({"role": "assistant", "content": "", TOOL_CALLS: []})
        before = joined[-1]
        joined[-1] = {**before, TOOL_CALLS: [*before.get(TOOL_CALLS, []), message]}
    return joined


def is_of_tools(message: Mapping[str, Any]) -> bool:
    """Whether a message has calls or the output of one: it stands where it is, and is joined with no other."""
    return TOOL_CALLS in message or message["role"] == "tool"


def for_langchain(messages: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any] | AIMessage | ToolMessage]:
    """The messages as LangChain takes them.

    All calls go as invalid ones: LangChain would parse the arguments of others and write them anew, or fail.
    """
    for message in messages:
        if TOOL_CALLS in message:
            calls: Any = [
                {"id": call["call_id"], "name": call["name"], "args": call["arguments"], "error": None}
                for call in message[TOOL_CALLS]
            ]
            yield AIMessage(message["content"], invalid_tool_calls=calls)
        elif message.get("type") == CALL_OUTPUT:
            yield ToolMessage(message["content"], tool_call_id=message["call_id"])
        else:
            yield message


def chat_tools(tools: Sequence[Mapping[str, Any]], choice: Any, parallel: bool | None) -> dict[str, Any]:  # noqa: FBT001
    """The options of a call to a chat model that offers tools; none without any."""
    if not tools:
        return {}
    functions = [
        {name: value for name, value in tool.items() if name != "type" and value is not None} for tool in tools
    ]
    chosen = {"type": "function", "function": {"name": choice["name"]}} if isinstance(choice, Mapping) else choice
    options = {"tools": [{"type": "function", "function": function} for function in functions]}
    wishes = {"tool_choice": chosen, "parallel_tool_calls": parallel}
    return options | {name: value for name, value in wishes.items() if value is not None}

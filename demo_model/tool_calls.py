"""Calls of the tools that a request offers, in the pieces of a stream."""

from __future__ import annotations

import itertools
import secrets
from typing import Any

from demo_model.chat_request import ChatRequest, Script
from demo_model.text_generator import generate_json, read_brief

# About as many as a token of JSON has.
_CHARACTERS = 4

Delta = list[dict[str, Any]]


def calls_of(request: ChatRequest, script: Script) -> list[tuple[str, Delta]]:
    """The tokens of the calls that the script asks for, or of one where the request does: `tool_choice` requires it.

    There are none without tools, or once one has given its output.
    """
    fields = request.fields
    tools = fields.get("tools") or []
    has_output = fields["messages"][-1]["role"] == "tool"
    if has_output or not tools or fields.get("tool_choice") == "none":
        return []
    count = max(script.calls, fields.get("tool_choice") == "required")
    functions = itertools.cycle(tool["function"] for tool in tools)
    return [
        token
        for number, function in zip(range(count), functions, strict=False)
        for token in _call(request, script, number, function)
    ]


def _call(request: ChatRequest, script: Script, number: int, function: dict[str, Any]) -> list[tuple[str, Delta]]:
    salt = f"{script.seed}{number}"
    schema = {"type": "json_schema", "json_schema": {"schema": function.get("parameters") or {"type": "object"}}}
    brief = read_brief(request.prompt, request.texts)
    arguments = script.arguments or generate_json(brief, salt, schema)
    begin = {"index": number, "id": f"call_{secrets.token_hex(8)}", "type": "function"}
    pieces = [{**begin, "function": {"name": function["name"], "arguments": ""}}]
    texts = (arguments[at : at + _CHARACTERS] for at in range(0, len(arguments), _CHARACTERS))
    pieces += [{"index": number, "function": {"arguments": text}} for text in texts]
    return [("tool_calls", [piece]) for piece in pieces]


def joined(before: Any, value: str | Delta) -> Any:
    """What a whole message has in a field after one more token of it."""
    if isinstance(value, str):
        return (before or "") + value
    calls = list(before or [])
    for piece in value:
        if "id" in piece:
            calls.append({name: part for name, part in piece.items() if name != "index"})
        else:
            calls[-1]["function"]["arguments"] += piece["function"]["arguments"]
    return calls

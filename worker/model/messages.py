"""A conversation in the form that a model's template takes: one system message, first, or none; roles in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from jobs.requests.prompts import Message
from worker.model.tool_messages import is_of_tools, joined_calls

_SYSTEM = "system"


def arranged(messages: Sequence[Message], *, system_role: bool, merged: bool) -> list[Message]:
    """The messages with everything that systems say in one message before all others.

    Without a `system_role` that is the beginning of the first user message. `merged` makes one message of neighbours
    with the same role, and begins with the user.
    """
    rules = [message for message in messages if message["role"] == _SYSTEM]
    turns = [message for message in messages if message["role"] != _SYSTEM]
    turns = joined_calls(turns)
    if merged:
        turns = [each for role, run in groupby(turns, _role) for each in ([_joined(list(run))] if role else run)]
        if turns and turns[0]["role"] == "assistant":
            turns.insert(0, {"role": "user", "content": "..."})
    if not rules:
        return turns
    rule = _joined(rules)
    if system_role and (turns or not merged):
        return [rule, *turns]
    user = {**rule, "role": "user"}
    if not turns or turns[0]["role"] != "user":
        return [user, *turns]
    return [_joined([user, turns[0]]), *turns[1:]]


def _role(message: Message) -> str:
    """By which neighbours are joined; empty for one that has to stay by itself."""
    return "" if is_of_tools(message) else message["role"]


def fewer(messages: Sequence[Message]) -> list[Message]:
    """The messages without the older half of the conversation; what systems say stays, and the last message does."""
    turns = [message for message in messages[:-1] if message["role"] != _SYSTEM]
    count = (len(turns) + 1) // 2
    while count < len(turns) and turns[count]["role"] == "tool":  # the output of a call that is dropped
        count += 1
    dropped = turns[:count]
    return [message for message in messages if not any(message is other for other in dropped)]


def _joined(messages: Sequence[Message]) -> Message:
    """Several messages as one of the first one's role, their texts with a blank line between."""
    first, *others = messages
    if not others:
        return first
    contents: list[Any] = [message["content"] for message in messages]
    if all(isinstance(content, str) for content in contents):
        return {**first, "content": "\n\n".join(filter(None, contents))}
    parts = [part for content in contents for part in _parts(content)]
    joined: Mapping[str, Any] = {**first, "content": parts}
    return dict(joined)


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)

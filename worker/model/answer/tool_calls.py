"""The calls of tools in an answer, put together from the pieces that servers send."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.model.errors import ModelError

# No client offers so many tools at once; each call costs an item.
_MOST_CALLS = 256
_LONGEST_NAME = 512


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call by its number in the answer, from 0: the same one when a model that begins again has another id for it."""

    number: int
    call_id: str = field(compare=False)
    name: str = field(compare=False)


class ToolCallReader:
    """Gives each call's arguments as they come; `is_empty` until the first one."""

    def __init__(self) -> None:
        self._calls: dict[Any, ToolCall] = {}
        self._count = 0

    @property
    def is_empty(self) -> bool:
        """Whether there was no call yet."""
        return not self._count

    def read(self, chunks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[ToolCall, str]]:
        """The pieces of arguments in the calls of one chunk, "" where a call begins without. Raises ModelError."""
        for chunk in chunks:
            index, call_id, name = chunk.get("index"), chunk.get("id"), chunk.get("name")
            call = self._calls.get(index)
            # Some servers give all calls the same index, and each an id of its own.
            is_new = call is None or bool(call_id and name and call_id != call.call_id)
            if is_new:
                call = self._calls[index] = self._begun(call_id, name)
            if is_new or chunk.get("args"):
                assert call is not None
                yield call, chunk.get("args") or ""

    def _begun(self, call_id: str | None, name: str | None) -> ToolCall:
        if not name:
            raise ModelError("The model asked for a tool without naming it.")
        if self._count >= _MOST_CALLS:
            raise ModelError(f"The model asked for more than {_MOST_CALLS} calls of tools.", transient=False)
        self._count += 1
        call_id = _readable(call_id) if call_id else f"call_{secrets.token_hex(12)}"
        return ToolCall(self._count - 1, call_id, _readable(name))


def _readable(word: str) -> str:
    return word.encode("utf-8", "replace").decode()[:_LONGEST_NAME]


def normal_calls(calls: Any) -> list[dict[str, Any]]:
    """The `tool_calls` of a message in OpenAI's form: numbers, texts, and arguments that are a text."""
    if not isinstance(calls, list):
        return []
    return [
        _normal(number, call)
        for number, call in enumerate(calls)
        if isinstance(call, dict) and isinstance(call.get("function"), dict)
    ]


def _normal(number: int, call: Mapping[str, Any]) -> dict[str, Any]:
    function, index = call["function"], call.get("index")
    arguments = function.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments)
    return {
        "index": index if type(index) is int else number,
        "id": _text(call.get("id")),
        "function": {"name": _text(function.get("name")), "arguments": arguments},
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

"""What one chunk of a streamed answer says, without LangChain's objects around it: those cost more than reading it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.messages.tool import tool_call_chunk
from langchain_openai.chat_models.base import _create_usage_metadata

_NOTHING: Mapping[str, Any] = {}


class ModelChunk(NamedTuple):
    """A chunk under the names that an AIMessageChunk has for the same."""

    content: str
    additional_kwargs: Mapping[str, Any] = _NOTHING
    tool_call_chunks: Sequence[Any] = ()
    response_metadata: Mapping[str, Any] = _NOTHING
    usage_metadata: Any = None


def model_chunk(chunk: Mapping[str, Any]) -> ModelChunk:
    """From a chunk in OpenAI's form, as ChatModel makes its own (worker.model.chat_model)."""
    usage = chunk.get("usage")
    metadata = _create_usage_metadata(usage) if usage else None
    choices = chunk["choices"]
    if not choices:
        return ModelChunk("", usage_metadata=metadata)
    choice = choices[0]
    delta = choice["delta"]
    reason = choice.get("finish_reason")
    is_plain = len(delta) == 1 and "content" in delta
    return ModelChunk(
        delta.get("content") or "",
        _NOTHING if is_plain else extras_of(delta),
        [_call(call) for call in delta["tool_calls"]] if "tool_calls" in delta else (),
        {"finish_reason": reason} if reason else _NOTHING,
        metadata,
    )


def extras_of(delta: Mapping[str, Any]) -> dict[str, str]:
    """What ChatOpenAI drops: reasoning, in either spelling, and the words of a refusal."""
    extras = {}
    reasoning = delta.get("reasoning_content") or delta.get("reasoning")
    if isinstance(reasoning, str):
        extras["reasoning_content"] = reasoning
    if isinstance(refusal := delta.get("refusal"), str) and refusal:
        extras["refusal"] = refusal
    return extras


def _call(call: Mapping[str, Any]) -> Any:
    function = call["function"]
    return tool_call_chunk(
        name=function.get("name"), args=function.get("arguments"), id=call.get("id"), index=call["index"]
    )

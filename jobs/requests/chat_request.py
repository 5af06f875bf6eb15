"""The body of `POST /v1/chat/completions`, and the create that it means.

Unknown fields are ignored; one that would change the answer and is not supported is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from jobs.errors import InvalidRequest
from jobs.requests.generation import CreateRequest, checked, validated
from jobs.requests.tools import UNSUPPORTED

UNSUPPORTED_FIELDS = (
    *("stop", "logit_bias", "logprobs", "top_logprobs", "audio", "web_search_options", "functions", "function_call"),
)
# Fields that a create has under the same name.
_SAME = (
    *("model", "temperature", "top_p", "presence_penalty", "frequency_penalty", "parallel_tool_calls", "metadata"),
    *("service_tier", "user", "safety_identifier", "prompt_cache_key", "penstock"),
)
# What fields of a create are called here, the longest first.
_NAMES = {
    "max_output_tokens": "max_completion_tokens",
    "reasoning.effort": "reasoning_effort",
    "text.verbosity": "verbosity",
    "text.format": "response_format",
    "input": "messages",
}
_ITEM = re.compile(r"input\.(\d+)")


class FunctionOfCall(BaseModel):
    """The function of a call, with arguments as the model wrote them."""

    name: str
    arguments: str


class ToolCall(BaseModel):
    """A call that a model asked for."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionOfCall


def _typed(value: Any) -> Any:
    """A part with the type that a create has for it."""
    if isinstance(value, dict) and value.get("type") == "text":
        return {**value, "type": "input_text"}
    if isinstance(value, dict) and value.get("type") == "image_url":
        image = value.get("image_url")
        fields = {"detail": image.get("detail"), "image_url": image.get("url")} if isinstance(image, dict) else {}
        return {"type": "input_image", "image_url": image, **fields}
    if isinstance(value, dict) and value.get("type") == "file" and isinstance(value.get("file"), dict):
        return {**value["file"], "type": "input_file"}
    return value


class ChatMessage(BaseModel):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Annotated[dict[str, Any], BeforeValidator(_typed)]] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _names_its_call(self) -> Self:
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("a message of the role 'tool' needs a 'tool_call_id'")
        return self

    def items(self) -> Iterator[dict[str, Any]]:
        """The message as items of an input."""
        if self.role == "tool":
            yield {"type": "function_call_output", "call_id": self.tool_call_id, "output": self.content}
            return
        content = self.refusal if self.content is None else self.content
        if content or not self.tool_calls:
            yield {"role": self.role, "content": content}
        for call in self.tool_calls or ():
            yield {"type": "function_call", "call_id": call.id, **call.function.model_dump()}


class StreamOptions(BaseModel):
    """What a stream is to have beside the answer."""

    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """The body, as far as Penstock reads it."""

    model_config = ConfigDict(extra="allow")

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    model: str | None = None
    n: Literal[1] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None

    @property
    def keeps(self) -> bool:
        """Whether the job is to be kept once it is answered."""
        return bool(self.store or (self.model_extra or {}).get("metadata"))


def parse(body: bytes | dict[str, Any]) -> tuple[ChatRequest, CreateRequest]:
    """The request in a body of JSON, or an object, and the create that it means.

    Raises InvalidRequest that names the field at fault.
    """
    chat = validated(ChatRequest, body)
    extra = chat.model_extra or {}
    for name in UNSUPPORTED_FIELDS:
        if extra.get(name):
            raise InvalidRequest(f"'{name}' is not supported: leave it out.", param=name, code=UNSUPPORTED)
    if "audio" in (extra.get("modalities") or ()):
        raise InvalidRequest("Penstock generates text: leave 'audio' out.", param="modalities", code=UNSUPPORTED)
    try:
        return chat, checked(validated(CreateRequest, _create(chat, extra)))
    except InvalidRequest as error:
        words, param = (_renamed(text, chat) for text in (str(error), error.param or ""))
        raise InvalidRequest(words, param=param or None, code=error.code) from error


def _create(chat: ChatRequest, extra: Mapping[str, Any]) -> dict[str, Any]:
    most = chat.max_tokens if chat.max_completion_tokens is None else chat.max_completion_tokens
    response_format = _flat(chat.response_format, "json_schema")
    return {
        **{name: extra[name] for name in _SAME if name in extra},
        "model": chat.model,
        "input": [item for message in chat.messages for item in message.items()],
        "stream": chat.stream,
        "store": chat.keeps,
        "max_output_tokens": most,
        "text": {"format": response_format, "verbosity": chat.verbosity},
        "reasoning": {"effort": chat.reasoning_effort} if chat.reasoning_effort else None,
        "tools": [_flat(tool, "function") for tool in chat.tools or ()],
        "tool_choice": _flat(chat.tool_choice, "function"),
    }


def _flat(value: Any, name: str) -> Any:
    """An object of chat completions, whose fields stand under its type's name, as a create has it."""
    inner = value.get(name) if isinstance(value, dict) else None
    return {"type": value.get("type"), **inner} if isinstance(inner, dict) else value


def _renamed(words: str, chat: ChatRequest) -> str:
    """A field's name, or a sentence that begins with it, in the words of chat completions."""
    if place := _ITEM.match(words):
        items = [number for number, message in enumerate(chat.messages) for _ in message.items()]
        return f"messages.{items[int(place[1])]}{words[place.end() :]}"
    name = next((name for name in _NAMES if words.startswith(name)), "")
    return _NAMES.get(name, "") + words[len(name) :]

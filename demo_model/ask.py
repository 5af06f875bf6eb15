"""One chat-completions request, read and checked."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from demo_model.refusal import Refused
from demo_model.script import Script, read_script, take_directives

KEY_LENGTH = 200


@dataclass(frozen=True)
class Ask:
    """What the client asked for. `prompt` is the last user message; it and all `texts` have no directives."""

    model: str
    prompt: str
    texts: tuple[str, ...]
    prompt_tokens: int
    stream: bool
    has_stream_options: bool
    include_usage: bool
    max_tokens: int | None
    response_format: dict[str, Any]
    script: Script


def key_of(prompt: str) -> str:
    """The name in the statistics of a last user message, given with or without its directives."""
    return take_directives(prompt)[0][:KEY_LENGTH].strip()


def read_ask(body: bytes) -> Ask:
    """The request in a POST body; Refused says what is wrong with it."""
    try:
        fields = json.loads(body)
        model, *directives = fields["model"].split("+")
        messages = [(message["role"], _text(message.get("content") or "")) for message in fields["messages"]]
        limit = int(fields.get("max_completion_tokens") or fields.get("max_tokens") or 0)
        options = dict(fields.get("stream_options") or {})
        response_format = dict(fields.get("response_format") or {})
        _, prompt = [message for message in messages if message[0] == "user"][-1]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise Refused("Send a JSON object with a model and messages of text, one of them a user's.") from None
    if model != "demo":
        message = f"The model `{model}` does not exist; this server has `demo`."
        raise Refused(message, status=404, code="model_not_found", param="model")
    if limit < 0:
        raise Refused(f"{limit} is not a number of tokens.", param="max_tokens")
    if fields.get("tools"):
        raise Refused("The demo model cannot call tools.", code="unsupported_parameter", param="tools")
    texts = [take_directives(text) for _, text in messages]
    return Ask(
        model=fields["model"],
        prompt=take_directives(prompt)[0],
        texts=tuple(text for text, _ in texts),
        prompt_tokens=max(1, math.ceil(sum(len(text) for _, text in messages) / 4)),
        stream=bool(fields.get("stream")),
        has_stream_options=bool(options),
        include_usage=bool(options.get("include_usage")),
        max_tokens=limit or None,
        response_format=response_format,
        script=read_script(directives + [word for _, words in texts for word in words]),
    )


def _text(content: str | list[dict[str, str]]) -> str:
    return "".join(content if isinstance(content, str) else [part["text"] for part in content])

"""One chat-completions request, and the directives in it that pace its answer and break it.

`demo+rate=0+tokens=50` or `[[demo rate=0 stall=5]]`: they stand in the model's name, or in any message in a
block that is taken out of its text; the block wins. N counts tokens of text (not of reasoning), S is in seconds.

- Pace: `rate=` tokens a second (0: as fast as can be), `first=S` until the first token, `headers=S`.
- Text: JSON if a `response_format` asks for it, but `tokens=N` of text exactly; `seed=` another one (`random`:
  each time); `echo` the last user message, one character a chunk; `think=` tokens of reasoning before it, in
  `field=` `reasoning_content`, `reasoning` or `tag` (`<think>` in the text, cut across chunks).
- Tools: `calls=N` asks for N calls of the tools that are offered, in turn, until there is an output of one; with
  `tool_choice` `required` there is one anyway; `arguments=TEXT` instead of JSON that follows their schemas.
- Wire: `bytes` puts every byte of the stream into an HTTP chunk and a write of its own.
- After N tokens: `stall=N` silence, `keepalive=N` only comments, `drop=N` TCP reset, `error=N` error object,
  `badjson=N` malformed line, `filter=N` finish_reason content_filter; or just the end: by closing a body
  without length (`fin=N`), by the last HTTP chunk (`nodone=N`), by `[DONE]` without finish_reason (`done=N`).
- Instead of an answer: `status=CODE` HTTP error, `retry_after=S` its header, `html` a web page.
- Features: `nostream` answers JSON to a stream, `nousage` sends no usage, `nooptions` refuses `stream_options`,
  `context=N` refuses more than N messages, `refuses=json_schema` that format, `refuses=response_format` any.
- `fails=N`: delays and faults only for the first N requests with the same last user message.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from demo_model.http_connection import HttpError

ENDINGS = ("stall", "keepalive", "drop", "error", "badjson", "filter", "fin", "nodone", "done")
# Name to pattern and type of the value.
DIRECTIVES: dict[str, tuple[str, Callable[[str], object]]] = {
    **dict.fromkeys(("rate", "first", "headers", "retry_after"), (r"\d{1,6}(\.\d+)?", float)),
    **dict.fromkeys(("tokens", "think", "context", "fails", "calls", *ENDINGS), (r"\d{1,6}", int)),
    **dict.fromkeys(("echo", "bytes", "html", "nostream", "nousage", "nooptions"), ("1?", lambda _: True)),
    "status": (r"[45]\d\d", int),
    "refuses": ("json_schema|response_format", str),
    "field": ("reasoning_content|reasoning|tag", str),
    "seed": (".+", str),
    "arguments": (".+", str),
}

_BLOCK = re.compile(r"\[\[demo(?:\s+([^\]]*))?\]\]")


@dataclass(frozen=True)
class Script:
    """How one answer is to be given; `ending` is one of ENDINGS, `after` so many tokens of text, or empty."""

    rate: float = 40.0
    first: float = 0.0
    headers: float = 0.0
    tokens: int | None = None
    seed: str = ""
    echo: bool = False
    think: int = 0
    calls: int = 0
    arguments: str = ""
    field: str = "reasoning_content"
    bytes: bool = False
    context: int = sys.maxsize
    refuses: str = ""
    ending: str = ""
    after: int | None = None
    status: int | None = None
    retry_after: float | None = None
    html: bool = False
    nostream: bool = False
    nousage: bool = False
    nooptions: bool = False
    fails: int | None = None

    def on_request(self, number: int) -> Script:
        """The script for the request of that number, from 1: itself, or one without faults after `fails`."""
        if self.fails is None or number <= self.fails:
            return self
        return replace(self, first=0.0, headers=0.0, ending="", after=None, status=None, html=False)


@dataclass(frozen=True)
class ChatRequest:
    """A request: its `fields` as sent; `prompt`, the last user message, and all `texts` without directives."""

    fields: dict[str, Any]
    prompt: str
    texts: list[str]
    script: Script


def parse_chat_request(body: bytes) -> ChatRequest:
    """The request in a POST body; HttpError says what is wrong with it."""
    try:
        fields = json.loads(body)
        model, *directives = fields["model"].split("+")
        messages = [(message["role"], _text(message.get("content") or "")) for message in fields["messages"]]
        prompt = [text for role, text in messages if role == "user"][-1]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise HttpError("Send a JSON object with a model and messages of text, one of them a user's.") from None
    if model != "demo":
        raise HttpError(f"The model `{model}` does not exist; this server has `demo`.", 404, "model_not_found")
    directives += [word for _, text in messages for block in _BLOCK.findall(text) for word in block.split()]
    return ChatRequest(fields, plain(prompt), [plain(text) for _, text in messages], _script(directives))


def plain(text: str) -> str:
    """A message's text without its directives."""
    return _BLOCK.sub("", text)


def _text(content: str | list[dict[str, Any]]) -> str:
    """A message's text; an image is named in it, by its address or by its type and size."""
    return content if isinstance(content, str) else "".join(_words_of(part) for part in content)


def _words_of(part: dict[str, Any]) -> str:
    if part.get("type") != "image_url":
        return str(part["text"])
    address, _, data = part["image_url"]["url"].partition(";base64,")
    return f"[{address.removeprefix('data:')}, {len(base64.b64decode(data))} bytes]" if data else f"[{address}]"


def _script(directives: list[str]) -> Script:
    """What the directives spell, later ones winning."""
    values: dict[str, Any] = {}
    for directive in directives:
        name, _, value = directive.partition("=")
        if name not in DIRECTIVES:
            raise HttpError(f"Unknown demo directive '{name}'. Known: {', '.join(DIRECTIVES)}.")
        pattern, convert = DIRECTIVES[name]
        if not re.fullmatch(pattern, value):
            raise HttpError(f"The demo directive '{directive}' has a bad value.")
        values |= {"ending": name, "after": int(value)} if name in ENDINGS else {name: convert(value)}
    return Script(**values)

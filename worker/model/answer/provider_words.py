"""What an error object of a model server says, in whatever form the server has for it."""

from __future__ import annotations

import html
import json
import re
from typing import Any

_LONGEST = 1500
_MESSAGES = ("message", "detail", "error_msg", "error_message", "msg", "reason", "description")
_STATUSES = ("code", "status", "status_code", "http_status", "http_code", "error_code")
# An answer with one of these is an answer, whatever else it carries.
_ANSWERS = ("choices", "usage")


def error_in(chunk: dict[str, Any]) -> Any:
    """The error object that a server sent in the place of a chunk or of an answer, or None."""
    if chunk.get("error"):
        return chunk
    if chunk.get("object") == "error" or chunk.get("type") == "error":
        return chunk
    choices = chunk.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict) and choices[0].get("error"):
        return choices[0]
    if not choices and not any(chunk.get(name) for name in _ANSWERS) and "choices" not in chunk:
        return chunk if any(isinstance(chunk.get(name), str | list) and chunk[name] for name in _MESSAGES[:5]) else None
    return None


def words_in(body: Any) -> str:
    """The words that a person can use, on one line of bounded length; empty when there are none."""
    return " ".join(_words(body)[:_LONGEST].encode("utf-8", "replace").decode().split())


def _words(body: Any) -> str:
    match body:
        case str():
            return _plain(body)
        case {"error": (dict() | list() | str()) as inner} if inner:
            return _words(inner)
        case dict():
            return _words_of_object(body)
        case list():
            return "; ".join(filter(None, map(_words, body[:5])))
        case None:
            return ""
        case _:
            return str(body)


def _words_of_object(body: dict[str, Any]) -> str:
    texts = [_words(body[name]) for name in _MESSAGES if body.get(name)]
    metadata = body.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    # OpenRouter's own message says only that a provider failed.
    texts = [*texts[:1], _words(raw)] if raw else texts[:1]
    return " ".join(texts) if texts or not body else json.dumps(body, ensure_ascii=False, default=str)


def status_in(body: Any) -> int | None:
    """The HTTP status that an error object names, as a number or as text."""
    if isinstance(body, list):
        body = body[0] if body else None
    if not isinstance(body, dict):
        return None
    parts = [part for part in (body.get("error"), body) if isinstance(part, dict)]
    for part in parts:
        for name in _STATUSES:
            value = part.get(name)
            if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
                value = int(value)
            if type(value) is int and 400 <= value <= 599:
                return value
    return None


def _plain(text: str) -> str:
    """The text of a page that a proxy sent instead of an error object."""
    text = text[: 4 * _LONGEST]
    if not re.match(r"\s*<(!doctype|html|head|\?xml)", text, re.IGNORECASE):
        return text
    body = re.sub(r"(?is)<(script|style)\b[^>]{0,200}>.{0,4000}?</\1>", " ", text)
    return html.unescape(re.sub(r"<[^<>]{0,500}>", " ", body))

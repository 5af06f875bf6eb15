"""The chunks of a streamed answer as dicts, in the form that OpenAI's have, out of what other servers send.

A chunk in OpenAI's form costs a few comparisons. What it lacks is filled in, what says the same in another way is
said in OpenAI's; what is nonsense is left out, and an error object is raised with its words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import openai
import orjson

from worker.model.answer.finish_reason import End, end_of, settled
from worker.model.answer.message_content import contents_of
from worker.model.answer.provider_words import error_in
from worker.model.answer.server_sent_events import LONGEST_LINE, events_of
from worker.model.answer.tool_calls import normal_calls
from worker.model.errors import ModelError, error_of_body
from worker.model.http.chunked_body import body_of

Chunk = dict[str, Any]

_NO_CHOICE: Chunk = {"choices": []}
# A server that only shows that it lives may send so many blank lines and no more.
_LONGEST_BLANK = 4096
_MALFORMED = "The model server sent a malformed line."


class ChunkStream(openai.Stream[object]):
    """The SDK's stream over a body that may be an event stream, lines of JSON, or one whole answer."""

    def __stream__(self) -> Iterator[object]:
        normal = ChunkNormalizer()
        try:
            for name, data in self._events(body_of(self.response)):
                if data.startswith(b"[DONE]"):
                    return
                try:
                    values: Iterable[Any] = (orjson.loads(data),)
                except orjson.JSONDecodeError:
                    values = _values(data, name)
                for value in values:
                    if name == "error":
                        raise error_of_body(value)
                    if (chunk := normal(value)) is not None:
                        yield chunk
        finally:
            self.response.close()

    def _events(self, body: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
        """The events of the body; one that is a single JSON value, however labelled, is one event."""
        start = b""
        for piece in body:
            start += piece
            if start.strip(b" \t\r\n\xef\xbb\xbf") or len(start) > _LONGEST_BLANK:
                break
        first = start.lstrip(b" \t\r\n\xef\xbb\xbf")[:1]
        kind = self.response.headers.get("content-type", "").lower()
        if first == b"<" or (not first and "html" in kind):
            raise ModelError(
                "The model server's answer makes no sense: a web page instead of an answer.", transient=False
            )
        if first in (b"{", b"[") and first and not any(word in kind for word in ("event-stream", "ndjson", "jsonl")):
            yield "", _whole(chain([start], body))
            return
        yield from events_of(chain([start], body))


def _whole(body: Iterator[bytes]) -> bytes:
    pieces, size = [], 0
    for piece in body:
        pieces.append(piece)
        size += len(piece)
        if size > LONGEST_LINE:
            raise ValueError(f"it is longer than {LONGEST_LINE} bytes")
    return b"".join(pieces)


def _values(data: bytes, name: str) -> Iterator[Any]:
    """The JSON in an event's data. Raises ModelError when there is none; the data of an error may be any text."""
    text = data.decode("utf-8", "replace")
    try:
        yield _parsed(text)
        return
    except ValueError:
        lines = list(filter(None, map(str.strip, text.split("\n"))))
    if name == "error":
        yield text
        return
    # Some servers leave out the blank lines between events, some send lines of JSON.
    for line in lines:
        if line == "[DONE]":
            return
        try:
            yield _parsed(line)
        except ValueError:
            raise ModelError(_MALFORMED) from None


def _parsed(text: str) -> Any:
    """A JSON value. Raises ValueError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            # The standard library reads what orjson does not: halves of surrogate pairs, NaN, raw control characters.
            return json.loads(text, strict=False)
        except RecursionError as error:
            raise ValueError("it is nested too deep") from error


class ChunkNormalizer:
    """Brings each chunk of one answer into OpenAI's form."""

    _ROLES = (None, "assistant")
    _TEXT_OR_NONE = frozenset({str, type(None)})
    _PLAIN_KEYS = frozenset({"role", "content", "reasoning_content", "reasoning", "refusal"})

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._end: End | None = None
        self._has_calls = False

    def __call__(self, value: Any) -> Chunk | None:
        """The chunk in OpenAI's form; None for a value that is none. Raises ModelError for an error object."""
        if type(value) is not dict:
            if isinstance(value, list) and value and isinstance(value[0], dict) and (error := error_in(value[0])):
                raise error_of_body(error)
            return None
        choices = value.get("choices")
        if type(choices) is list and len(choices) == 1 and not value.get("error") and not value.get("usage"):
            choice = choices[0]
            if (
                type(choice) is dict
                and type(delta := choice.get("delta")) is dict
                and delta.keys() <= self._PLAIN_KEYS
                and not choice.get("finish_reason")
                and delta.get("role") in self._ROLES
                and {*map(type, delta.values())} <= self._TEXT_OR_NONE
                and not choice.get("error")
            ):
                if text := delta.get("content"):
                    self._texts.append(text)
                return value
        if error := error_in(value):
            raise error_of_body(error)
        return self._normal(value)

    def _normal(self, value: Chunk) -> Chunk:
        usage = _usage(value.get("usage"))
        choices = value.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else choices
        if not isinstance(choice, dict):
            return {**_NO_CHOICE, "usage": usage}
        delta, message = choice.get("delta"), choice.get("message")
        normal_delta = self._delta(delta if isinstance(delta, dict) and delta else message, choice)
        if not delta and message and normal_delta["content"] == "".join(self._texts):
            normal_delta["content"] = ""  # the whole message once more, at the end of its stream
        if not delta and message and self._has_calls:
            normal_delta.pop("tool_calls", None)
        self._has_calls = self._has_calls or "tool_calls" in normal_delta
        if normal_delta["content"]:
            self._texts.append(normal_delta["content"])
        return {
            **{name: value[name] for name in ("id", "model", "service_tier") if isinstance(value.get(name), str)},
            "choices": [{"index": 0, "delta": normal_delta, "finish_reason": self._reason(choice)}],
            "usage": usage,
        }

    def _delta(self, delta: Any, choice: Mapping[str, Any]) -> Chunk:
        if not isinstance(delta, dict):
            delta = {"content": delta if isinstance(delta, str) else choice.get("text")}
        text, reasoning, refusal = contents_of(delta.get("content"))
        for name in ("reasoning_content", "reasoning", "thinking", "reasoning_text", "reasoning_details"):
            if delta.get(name):
                reasoning += "".join(contents_of(delta[name]))
                break  # servers that send two of them send the same in both
        refusal += delta["refusal"] if isinstance(delta.get("refusal"), str) else ""
        normal: Chunk = {"role": "assistant", "content": text}
        if reasoning:
            normal["reasoning_content"] = reasoning
        if refusal:
            normal["refusal"] = refusal
        if calls := normal_calls(delta.get("tool_calls") or [{"function": delta.get("function_call")}]):
            normal["tool_calls"] = calls
        return normal

    def _reason(self, choice: Mapping[str, Any]) -> str | None:
        """The finish reason as text, if it says more than those before: LangChain adds up those of a chain's chunks."""
        reason = choice.get("finish_reason")
        if isinstance(reason, dict):
            reason = reason.get("type") or reason.get("reason") or reason
        end = settled(self._end, end_of(reason))
        if end is self._end:
            return None
        self._end = end
        return str(reason)


def _usage(usage: Any) -> Chunk | None:
    """Token counts in OpenAI's form, all of them numbers."""
    if not isinstance(usage, dict) or not usage:
        return None
    details = {name: usage.get(name) for name in ("prompt_tokens_details", "completion_tokens_details")}
    counts = {name: _count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    for name, other in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")):
        counts[name] = counts[name] or _count(usage.get(other))
    counts["total_tokens"] = counts["total_tokens"] or counts["prompt_tokens"] + counts["completion_tokens"]
    return {
        **counts,
        **{
            name: {part: _count(count) for part, count in detail.items()}
            for name, detail in details.items()
            if isinstance(detail, dict)
        },
    }


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0

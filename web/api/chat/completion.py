"""A response, and the events of one, as a chat completion and its chunks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.errors import PenstockError
from jobs.protocol import events
from jobs.protocol.events import Event
from jobs.protocol.fold import CALL, text_of

_DELTAS = {events.TEXT_DELTA: "content", events.REFUSAL_DELTA: "refusal", events.REASONING_DELTA: "reasoning_content"}


class Restarted(PenstockError):
    """Text that was sent already is written anew, and cannot be taken back."""


def completion(response: Mapping[str, Any]) -> dict[str, Any]:
    """The whole answer of an ended response."""
    calls = [_call(item) for item in response["output"] if item["type"] == CALL]
    reasoning = _joined(response, "reasoning", "reasoning_text")
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text_of(response) or (None if calls else ""),
        "refusal": _joined(response, "message", "refusal") or None,
        **({"reasoning_content": reasoning} if reasoning else {}),
        **({"tool_calls": calls} if calls else {}),
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(response)}
    return {**_head(response, "chat.completion"), "choices": [choice], "usage": usage(response)}


def finish_reason(response: Mapping[str, Any]) -> str:
    """Why the answer of an ended response ends."""
    if response["status"] == "completed":
        return "tool_calls" if any(item["type"] == CALL for item in response["output"]) else "stop"
    is_filtered = (response["incomplete_details"] or {}).get("reason") == "content_filter"
    return "content_filter" if is_filtered else "length"


def usage(response: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a response cost."""
    used = response["usage"]
    return used and {
        "prompt_tokens": used["input_tokens"],
        "completion_tokens": used["output_tokens"],
        "total_tokens": used["total_tokens"],
        "prompt_tokens_details": {"cached_tokens": used["input_tokens_details"]["cached_tokens"]},
        "completion_tokens_details": {"reasoning_tokens": used["output_tokens_details"]["reasoning_tokens"]},
    }


class Chunks:
    """Makes the chunks of a stream out of a job's events, from number 0 on."""

    def __init__(self, *, include_usage: bool) -> None:
        self._usage: dict[str, Any] = {"usage": None} if include_usage else {}
        self._head: dict[str, Any] = {}
        self._calls: dict[int, int] = {}
        self._has_answer = False

    def feed(self, event: Event) -> Iterator[dict[str, Any]]:
        """The chunks that an event stands for, often none. Raises Restarted."""
        kind = event["type"]
        if kind == events.CREATED:
            self._head = _head(event["response"], "chat.completion.chunk")
            yield self._chunk({"role": "assistant", "content": ""})
        elif kind in _DELTAS:
            self._has_answer = self._has_answer or kind != events.REASONING_DELTA
            yield self._chunk({_DELTAS[kind]: event["delta"]})
        elif kind == events.ITEM_ADDED:
            yield from self._begun(event["output_index"], event["item"])
        elif kind == events.CALL_DELTA:
            place = {"index": self._calls[event["output_index"]]}
            yield self._chunk({"tool_calls": [{**place, "function": {"arguments": event["delta"]}}]})
        elif kind in (events.COMPLETED, events.INCOMPLETE):
            yield from self._ended(event["response"])

    def _begun(self, index: int, item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if "replaces" in item["penstock"] and self._has_answer:
            raise Restarted
        if item["type"] == CALL:
            number = self._calls[index] = len(self._calls)
            self._has_answer = True
            yield self._chunk({"tool_calls": [{"index": number, **_call(item)}]})

    def _ended(self, response: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield self._chunk({}, finish_reason(response))
        if self._usage:
            yield {**self._head, "choices": [], "usage": usage(response)}

    def _chunk(self, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._head, "choices": [choice], **self._usage}


def _head(response: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What an answer and its chunks begin with: the job's own id, by which /v1/responses knows it."""
    same = {"model": response["model"], "service_tier": response["service_tier"], "system_fingerprint": None}
    return {"id": response["id"], "object": kind, "created": response["created_at"], **same}


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": item["name"], "arguments": item["arguments"]}
    return {"id": item["call_id"], "type": "function", "function": function}


def _joined(response: Mapping[str, Any], item_type: str, part_type: str) -> str:
    items = (item for item in response["output"] if item["type"] == item_type)
    parts = (part for item in items for part in item["content"] if part["type"] == part_type)
    return "".join(part.get("text") or part.get("refusal") or "" for part in parts)

"""What a model is asked, in words that do not depend on its server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from jobs.requests.job_request import JobRequest
from jobs.requests.prompts import Message
from worker.model.images import with_images
from worker.model.tool_messages import chat_tools

_OPTIONS = {"max_output_tokens": "max_tokens"} | {
    name: name for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty")
}
_NO_IMAGES: Mapping[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to a model: `options` in ChatOpenAI's words, `response_format` as the API's `text.format`.

    One that `shortens` leaves out old messages when they are too many for the model; one with `schema_in_words` tells
    the model the format in its messages, too, as for a server that ignores `response_format`.
    """

    model: str
    messages: Sequence[Message]
    options: Mapping[str, Any]
    response_format: Mapping[str, Any] | None = None
    shortens: bool = False
    schema_in_words: bool = False

    @classmethod
    def for_job(cls, request: JobRequest, images: Mapping[str, bytes] = _NO_IMAGES) -> Self:
        """What a job's request asks of its model; `images` are those that the job keeps, by name."""
        text = request.text or {}
        effort = (request.reasoning or {}).get("effort")
        options = {ours: getattr(request, theirs) for theirs, ours in _OPTIONS.items()}
        options |= {"reasoning_effort": effort, "verbosity": text.get("verbosity")}
        options |= chat_tools(request.tools, request.tool_choice, request.parallel_tool_calls)
        options = {name: value for name, value in options.items() if value is not None}
        response_format = text.get("format") or {"type": "text"}
        return cls(
            request.model,
            with_images(request.model_messages, images),
            options,
            None if response_format["type"] == "text" else response_format,
            request.truncation == "auto",
        )

    @property
    def offers_tools(self) -> bool:
        """Whether the model may ask for calls of tools."""
        return "tools" in self.options

    def with_messages(self, messages: Sequence[Message]) -> Self:
        """The same with other messages."""
        return replace(self, messages=messages)

    def with_format(self, response_format: Mapping[str, Any]) -> Self:
        """The same with another format of the answer, as long as that takes."""
        options = {name: value for name, value in self.options.items() if name != "max_tokens"}
        return replace(self, response_format=response_format, options=options)

"""What a model is asked, in words that do not depend on its server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from jobs.requests.job_request import JobRequest
from jobs.requests.prompts import Message

_OPTIONS = {"max_output_tokens": "max_tokens"} | {
    name: name for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty")
}


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to a model: `options` in ChatOpenAI's words, `form` as in the Responses API's `text.format`.

    One that `shortens` leaves out old messages when they are too many for the model.
    """

    model: str
    messages: Sequence[Message]
    options: Mapping[str, Any]
    form: Mapping[str, Any] | None = None
    shortens: bool = False

    def with_messages(self, messages: Sequence[Message]) -> Self:
        """The same with other messages."""
        return replace(self, messages=messages)

    def with_form(self, form: Mapping[str, Any]) -> Self:
        """The same with another form of the answer, as long as that takes."""
        options = {name: value for name, value in self.options.items() if name != "max_tokens"}
        return replace(self, form=form, options=options)


def model_request(request: JobRequest) -> ModelRequest:
    """What a job's request asks of its model."""
    text, effort = request.text or {}, (request.reasoning or {}).get("effort")
    options = {ours: getattr(request, theirs) for theirs, ours in _OPTIONS.items()}
    options |= {"reasoning_effort": effort, "verbosity": text.get("verbosity")}
    given = {name: value for name, value in options.items() if value is not None}
    form = text.get("format") or {"type": "text"}
    shortens = request.truncation == "auto"
    return ModelRequest(
        request.model, request.model_messages, given, None if form["type"] == "text" else form, shortens
    )

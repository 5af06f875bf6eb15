"""What may be asked for: the body of `POST /v1/responses`, checked, and the request that a job keeps.

Unknown fields are ignored, as OpenAI does; one that would change the answer and is not supported is refused
by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from jobs.errors import InvalidRequest
from jobs.prompts import Prompts

Text = Annotated[str, StringConstraints(min_length=1)]

# Sampling parameters that go to the model as they are.
PARAMETERS = ("temperature", "top_p", "max_output_tokens", "text", "reasoning")
_UNSUPPORTED = ("tools", "conversation", "context_management", "max_tool_calls", "top_logprobs", "previous_response_id")


class TextPart(BaseModel):
    """A piece of text inside an input message."""

    type: Literal["input_text", "output_text", "text"]
    text: str


class InputMessage(BaseModel):
    """One message of an input list."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[TextPart]

    @property
    def plain(self) -> str:
        """The message's text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class PromptReference(BaseModel):
    """Which prompt to run, and with what."""

    id: Text
    version: str | None = None
    variables: dict[str, str | int | float | bool] | None = None


class CreateRequest(BaseModel):
    """The body of `POST /v1/responses`, as far as Penstock reads it."""

    model_config = ConfigDict(extra="allow")

    model: Text | None = None
    input: str | list[InputMessage] | None = None
    instructions: str | None = None
    prompt: PromptReference | None = None
    background: bool | None = None
    stream: bool | None = None
    store: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
            Field(max_length=16),
        ]
        | None
    ) = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    user: str | None = None


def parse(body: bytes) -> CreateRequest:
    """The request in a JSON body. Raises InvalidRequest that names the field at fault and the remedy."""
    try:
        request = CreateRequest.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        param = ".".join(str(part) for part in problem["loc"]) or None
        raise InvalidRequest(f"{param or 'The body'}: {problem['msg']}", param=param) from error
    asked = request.model_extra or {}
    for name in _UNSUPPORTED:
        if asked.get(name):
            raise _unsupported(name, f"'{name}' is not supported: Penstock generates text. Leave it out.")
    if (request.text or {}).get("format") not in (None, {"type": "text"}):
        raise _unsupported("text.format", "'text.format' can only be of type 'text' here. Leave it out.")
    if request.store is False and request.background:
        raise _unsupported("background", "A background response is always stored: leave out 'store' or 'background'.")
    return request


def _unsupported(param: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="unsupported_parameter")


def accept(request: CreateRequest, prompts: Prompts, *, default_model: str, allowed: Sequence[str]) -> dict[str, Any]:
    """What the job keeps of a request: all that its worker and its readers need, JSON-ready.

    `allowed` are the models that may be named, any when empty. Raises InvalidRequest.
    """
    model = request.model or default_model
    if allowed and model not in allowed:
        raise InvalidRequest(
            f"The model '{model}' does not exist here; there are {', '.join(allowed)}.",
            param="model",
            code="model_not_found",
        )
    kept: dict[str, Any] = {
        "model": model,
        "instructions": request.instructions,
        "background": bool(request.background),
        "stream": bool(request.stream),
        "store": request.store is not False,
        "metadata": request.metadata or {},
        "user": request.user,
        **{name: getattr(request, name) for name in PARAMETERS},
    }
    return kept | (_from_prompt(request, prompts) if request.prompt else _from_input(request))


def _from_prompt(request: CreateRequest, prompts: Prompts) -> dict[str, Any]:
    assert request.prompt is not None  # noqa: S101  (for the type checker: the caller has looked)
    reference = request.prompt
    prompt = prompts.get(reference.id, reference.version)
    variables, messages = prompt.render(reference.variables or {})
    chosen = {"id": prompt.id, "version": prompt.version, "variables": variables, "digest": prompt.digest}
    inputs = _messages_of(request)
    return {"prompt": chosen, "input": inputs, "messages": [*_instructions(request), *messages, *_plain(inputs)]}


def _from_input(request: CreateRequest) -> dict[str, Any]:
    inputs = _messages_of(request)
    if not any(message["content"] for message in inputs):
        raise InvalidRequest("'input' is empty: send a text, messages, or a 'prompt'.", param="input")
    return {"prompt": None, "input": inputs, "messages": [*_instructions(request), *_plain(inputs)]}


def _messages_of(request: CreateRequest) -> list[dict[str, str]]:
    """The input as a list of messages with plain text; `developer` is what other servers call `system`."""
    if not request.input:
        return []
    if isinstance(request.input, str):
        return [{"role": "user", "content": request.input}]
    return [{"role": message.role, "content": message.plain} for message in request.input]


def _instructions(request: CreateRequest) -> list[dict[str, str]]:
    return [{"role": "system", "content": request.instructions}] if request.instructions else []


def _plain(inputs: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    return [
        {"role": "system" if message["role"] == "developer" else message["role"], "content": message["content"]}
        for message in inputs
    ]

"""The body of `POST /v1/responses`, validated; what a job keeps of it is in jobs/requests/job_request.py.

Unknown fields are ignored, as OpenAI does; one that would change the answer and is not supported is refused
by name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from jobs.errors import InvalidRequest
from jobs.requests.parameters import Parameters, Text, TextOptions

M = TypeVar("M", bound=BaseModel)

_UNSUPPORTED = ("tools", "conversation", "context_management", "max_tool_calls", "top_logprobs")


class TextPart(BaseModel):
    """A piece of text inside an input message."""

    type: Literal["input_text", "output_text", "text"]
    text: str


class RefusalPart(BaseModel):
    """What a model said instead of an answer, given back with its output."""

    type: Literal["refusal"]
    refusal: str

    @property
    def text(self) -> str:
        """Its words."""
        return self.refusal


class InputMessage(BaseModel):
    """One message of an input list."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Annotated[
        list[Annotated[TextPart | RefusalPart, Field(discriminator="type")]],
        BeforeValidator(
            lambda value: [{"type": "text", "text": value}] if isinstance(value, str) else value,
            json_schema_input_type=str | list[TextPart | RefusalPart],
        ),
    ]


class ReasoningItem(BaseModel):
    """A thought out of an earlier response, given back with its output; no model is told it again."""

    type: Literal["reasoning"]


def _messages(value: Any) -> Any:
    """A text as a list of one message; the thoughts in a list left out."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if isinstance(value, list):
        return [item for item in value if not (isinstance(item, dict) and item.get("type") == "reasoning")]
    return value


class PromptReference(BaseModel):
    """Which prompt to run, and with what."""

    id: Text
    version: str | None = None
    variables: dict[str, str | int | float | bool] | None = None


class CreateRequest(Parameters):
    """The body of `POST /v1/responses`, as far as Penstock reads it."""

    model_config = ConfigDict(extra="allow")

    model: Annotated[Text, StringConstraints(max_length=255, pattern=r"^[^\x00]*$")] | None = None
    input: (
        Annotated[
            list[InputMessage],
            BeforeValidator(_messages, json_schema_input_type=str | list[InputMessage | ReasoningItem]),
        ]
        | None
    ) = None
    instructions: str | None = None
    prompt: PromptReference | None = None
    previous_response_id: Text | None = None
    background: bool | None = None
    stream: bool | None = None
    store: bool | None = None
    text: TextOptions | None = None
    service_tier: Literal["auto", "default", "flex", "priority", "scale", "fast", "ultrafast"] | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
            Field(max_length=16),
        ]
        | None
    ) = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class CancelRequest(BaseModel):
    """The body of a cancel, which most clients leave empty."""

    graceful: bool = False


def parse(body: bytes) -> CreateRequest:
    """The request in a JSON body. Raises InvalidRequest that names the field at fault and the remedy."""
    request = _validated(CreateRequest, body)
    extra = request.model_extra or {}
    for name in _UNSUPPORTED:
        if extra.get(name):
            raise _unsupported(name, f"'{name}' is not supported: Penstock generates text. Leave it out.")
    if request.store is False and request.background:
        raise _unsupported("background", "A background response is always stored: leave out 'store' or 'background'.")
    return request


def parse_cancel(body: bytes) -> CancelRequest:
    """The wish in the body of a cancel, or in none. Raises InvalidRequest."""
    return _validated(CancelRequest, body) if body.strip() else CancelRequest()


def _validated(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        param = ".".join(str(part) for part in problem["loc"]) or None
        words = problem["msg"].removeprefix("Value error, ")
        raise InvalidRequest(f"{param or 'The body'}: {words}", param=param) from error


def _unsupported(param: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="unsupported_parameter")

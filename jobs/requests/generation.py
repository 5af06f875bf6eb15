"""The body of `POST /v1/responses`, validated; what a job keeps of it is in jobs/requests/job_request.py.

Unknown fields are ignored, as OpenAI does; one that would change the answer and is not supported is refused
by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from jobs.errors import InvalidRequest
from jobs.requests.input_items import ITEM_TYPES, PART_TYPES, Input
from jobs.requests.parameters import Parameters, Text, TextOptions, without_nulls
from jobs.requests.tools import UNSUPPORTED, ToolByName, ToolChoice, Tools

M = TypeVar("M", bound=BaseModel)

Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
    Field(max_length=16),
]
_TYPES = frozenset({*ITEM_TYPES, *PART_TYPES})
UNSUPPORTED_FIELDS = ("conversation", "context_management", "max_tool_calls", "top_logprobs")


class PromptReference(BaseModel):
    """Which prompt to run, and with what."""

    id: Text
    version: str | None = None
    variables: Annotated[
        dict[str, str | int | float | bool] | None,
        BeforeValidator(without_nulls, json_schema_input_type=dict[str, Any]),
    ] = None


class Extensions(BaseModel):
    """What only Penstock knows."""

    webhook: Text | None = None
    review: bool = False


class CreateRequest(Parameters):
    """The body of `POST /v1/responses`, as far as Penstock reads it."""

    model_config = ConfigDict(extra="allow")

    model: Annotated[Text, StringConstraints(max_length=255, pattern=r"^[^\x00]*$")] | None = None
    input: Input | None = None
    instructions: str | None = None
    prompt: PromptReference | None = None
    previous_response_id: Text | None = None
    background: bool | None = None
    stream: bool | None = None
    store: bool | None = None
    text: TextOptions | None = None
    service_tier: Literal["auto", "default", "flex", "priority", "scale", "fast", "ultrafast"] | None = None
    metadata: Metadata | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    penstock: Extensions | None = None


class UpdateRequest(BaseModel):
    """The body of an update: all the metadata that the job shall have."""

    metadata: Metadata


class CancelRequest(BaseModel):
    """The body of a cancel, which most clients leave empty."""

    graceful: bool = False


def parse(body: bytes) -> CreateRequest:
    """The request in a JSON body. Raises InvalidRequest that names the field at fault and the remedy."""
    return checked(validated(CreateRequest, body))


def checked(request: CreateRequest) -> CreateRequest:
    """The request, if its fields go together and are supported. Raises InvalidRequest."""
    extra = request.model_extra or {}
    for name in UNSUPPORTED_FIELDS:
        if extra.get(name):
            raise _unsupported(name, f"'{name}' is not supported: Penstock generates text. Leave it out.")
    if request.store is False and request.background:
        raise _unsupported("background", "A background response is always stored: leave out 'store' or 'background'.")
    if request.penstock and request.penstock.webhook and not request.background:
        words = "'penstock.webhook' is for a response with 'background': any other is told by its own answer."
        raise InvalidRequest(words, param="penstock.webhook")
    _check_tool_choice(request)
    return request


def _check_tool_choice(request: CreateRequest) -> None:
    names = [tool.name for tool in request.tools or ()]
    choice = request.tool_choice
    if isinstance(choice, ToolByName) and choice.name not in names:
        raise InvalidRequest(f"'tool_choice' names '{choice.name}', which is not in 'tools'.", param="tool_choice")
    if choice == "required" and not names:
        raise InvalidRequest("'tool_choice' is 'required' but there are no 'tools'.", param="tool_choice")


def parse_cancel(body: bytes) -> CancelRequest:
    """The wish in the body of a cancel, or in none. Raises InvalidRequest."""
    return validated(CancelRequest, body) if body.strip() else CancelRequest()


def validated(model: type[M], body: bytes | dict[str, Any]) -> M:
    """The model that a body of JSON, or an object, describes. Raises InvalidRequest that names the field at fault."""
    try:
        return model.model_validate(body) if isinstance(body, dict) else model.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        param = _path(problem["loc"])
        words = problem["msg"].removeprefix("Value error, ")
        code = UNSUPPORTED if problem["type"] == UNSUPPORTED else None
        raise InvalidRequest(f"{param or 'The body'}: {words}", param=param, code=code) from error


def _path(location: Sequence[int | str]) -> str | None:
    """A field's dotted name, without the types that pydantic puts behind the place of an item or a part."""
    before: list[int | str | None] = [None, *location]
    names = [
        str(name) for name, left in zip(location, before, strict=False) if not (type(left) is int and name in _TYPES)
    ]
    return ".".join(names) or None


def _unsupported(param: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code=UNSUPPORTED)

"""What may be asked for: the body of `POST /v1/responses`, checked, and the request that a job keeps.

Unknown fields are ignored, as OpenAI does; one that would change the answer and is not supported is refused
by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from jobs.errors import InvalidRequest
from jobs.requests.parameters import Parameters, Text, TextOptions
from jobs.requests.prompts import Prompt, Prompts

Message = dict[str, str]  # role and content, as the model is told them
M = TypeVar("M", bound=BaseModel)

# What is kept as it was asked for; the worker passes on to the model what is meant for it.
KEPT = (
    *("instructions", "user", "safety_identifier", "prompt_cache_key", "truncation", "previous_response_id"),
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "max_output_tokens", "text", "reasoning"),
)
# The tier of those who can wait; all others are one.
FLEX = "flex"
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

    model: Annotated[Text, StringConstraints(max_length=255)] | None = None
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
    asked = request.model_extra or {}
    for name in _UNSUPPORTED:
        if asked.get(name):
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


def named_model(request: CreateRequest, prompts: Prompts) -> str | None:
    """The model that a request names, else the one that its prompt does. Raises InvalidRequest: no such prompt."""
    prompt = request.prompt
    return request.model or (prompts.get(prompt.id, prompt.version).model if prompt else None)


def accept(
    request: CreateRequest,
    prompts: Prompts,
    *,
    default_model: str,
    allowed: Sequence[str],
    history: Sequence[Sequence[Message]] = (),
) -> dict[str, Any]:
    """What the job keeps of a request: all that its worker and its readers need, JSON-ready.

    `allowed` are the models that may be named, any when empty; `history` are the turns that the job
    goes on with. Raises InvalidRequest.
    """
    model, rendered = named_model(request, prompts) or default_model, None
    if request.prompt:
        prompt = prompts.get(request.prompt.id, request.prompt.version)
        rendered, request = prompt.render(request.prompt.variables or {}), _with_defaults(request, prompt)
    if allowed and model not in allowed:
        raise InvalidRequest(
            f"The model '{model}' does not exist here; there are {', '.join(allowed)}.",
            param="model",
            code="model_not_found",
        )
    asked = request.model_dump(by_alias=True, exclude_none=True)
    inputs = [
        {"role": message.role, "content": "".join(part.text for part in message.content)}
        for message in request.input or []
    ]
    if not rendered and not any(message["content"] for message in inputs):
        raise InvalidRequest("'input' is empty: send a text, messages, or a 'prompt'.", param="input")
    return {
        "model": model,
        "background": bool(request.background),
        "stream": bool(request.stream),
        "store": request.store is not False,
        "metadata": request.metadata or {},
        "service_tier": FLEX if request.service_tier == FLEX else "default",
        **{name: asked.get(name) for name in KEPT},
        "prompt": rendered,
        "history": list(history),
        "input": inputs,
    }


def _with_defaults(request: CreateRequest, prompt: Prompt) -> CreateRequest:
    """The request, with what its prompt sets and itself does not. Raises InvalidRequest."""
    missing = {name: value for name, value in prompt.parameters if getattr(request, name) is None}
    text = request.text or TextOptions()
    if prompt.output and "format" not in text.model_fields_set:
        text = text.model_copy(update={"format": prompt.output})
    if prompt.section and text.format.type != "text":
        raise InvalidRequest(f"Prompt '{prompt.id}' writes sections of text, no JSON.", param="text.format")
    return request.model_copy(update={**missing, "text": text})


def input_of(request: Mapping[str, Any]) -> list[Message]:
    """The messages that are a kept request's own: those of its prompt, then its input."""
    prompt = request["prompt"]
    return [*(prompt["messages"] if prompt else ()), *request["input"]]


def messages_of(request: Mapping[str, Any]) -> list[Message]:
    """All that the model is told: instructions, what was said before, input.

    `developer` is what every server but OpenAI's calls `system`.
    """
    instructions = request["instructions"]
    told = [message for turn in (*request["history"], input_of(request)) for message in turn]
    if instructions:
        told.insert(0, {"role": "system", "content": instructions})
    return [{**message, "role": message["role"].replace("developer", "system")} for message in told]


def wanted_words(request: Mapping[str, Any]) -> int | None:
    """How long the text is to be, if the prompt has a variable that says so."""
    prompt = request["prompt"]
    words = prompt["variables"].get("words") if prompt else None
    return words if isinstance(words, int) else None


def words_of(request: Mapping[str, Any]) -> str:
    """The asker's own words, for people who look for a job by them: variables, and the input's text."""
    prompt = request["prompt"]
    variables = prompt["variables"].values() if prompt else ()
    return "\n".join([*map(str, variables), *(message["content"] for message in request["input"])])

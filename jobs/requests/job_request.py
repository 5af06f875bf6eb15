"""What a job keeps of a request: everything that its worker and its readers need, as JSON in its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import orjson

from jobs.errors import InvalidRequest
from jobs.requests.generation import CreateRequest
from jobs.requests.images import kept_images
from jobs.requests.messages import message_of
from jobs.requests.parameters import TextOptions
from jobs.requests.prompt_folder import Prompts
from jobs.requests.prompts import Message, Prompt, RenderedPrompt

# The service tier of those who can wait; every other tier is stored as "default".
FLEX = "flex"
# Fields that are stored as the request gave them; the worker passes on those that the model understands.
UNCHANGED_FIELDS = (
    *("instructions", "user", "safety_identifier", "prompt_cache_key", "truncation", "previous_response_id"),
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "max_output_tokens", "text", "reasoning"),
    *("tool_choice", "parallel_tool_calls"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """One request after validation, with the prompt rendered and the prompt's defaults filled in.

    Every field but `model` has a default, so a row that was written before a field existed is still read. `history`
    holds the turns of the responses before this one, oldest first; `retry_of` is the job that this one repeats,
    with `review` it waits after its plan until somebody agrees.
    """

    model: str
    background: bool = False
    stream: bool = False
    store: bool = True
    metadata: Mapping[str, str] = field(default_factory=dict)
    service_tier: str = "default"
    instructions: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    truncation: str | None = None
    previous_response_id: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    max_output_tokens: int | None = None
    text: Mapping[str, Any] | None = None
    reasoning: Mapping[str, Any] | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    prompt: RenderedPrompt | None = None
    history: Sequence[Sequence[Message]] = ()
    input: Sequence[Message] = ()
    retry_of: str | None = None
    review: bool = False
    # The first of the jobs that belong together; none in that one itself.
    root: str | None = None
    # A report with one `section` in another version: written again by a `wish`, with the `previous` text before the
    # model, or `taken_from` another job.
    rewrite: Mapping[str, Any] | None = None
    # Where its end is told, beside the owner's endpoints.
    webhook: str | None = None
    # The trace that its create belongs to.
    traceparent: str | None = None

    @classmethod
    def from_create(
        cls,
        create: CreateRequest,
        prompts: Prompts,
        *,
        default_model: str,
        allowed: Sequence[str] = (),
        history: Sequence[Sequence[Message]] = (),
        root: str | None = None,
    ) -> Self:
        """The request of a validated body.

        `allowed` are the models that may be named, any when empty; `history` are the turns that the job
        goes on with, and `root` is the job that they began with. Raises InvalidRequest.
        """
        model = named_model(create, prompts) or default_model
        rendered = None
        if create.prompt:
            prompt = prompts.get(create.prompt.id, create.prompt.version)
            rendered = prompt.render(create.prompt.variables or {})
            create = _with_defaults(create, prompt)
            _check_tools(create, prompt)
        if allowed and model not in allowed:
            words = f"The model '{model}' does not exist here; there are {', '.join(allowed)}."
            raise InvalidRequest(words, param="model", code="model_not_found")
        messages = [message_of(item) for item in create.input or []]
        if not rendered and not any(_says_something(message) for message in messages):
            raise InvalidRequest("'input' is empty: send a text, messages, or a 'prompt'.", param="input")
        body = create.model_dump(by_alias=True, exclude_none=True)
        return cls(
            model=model,
            background=bool(create.background),
            stream=bool(create.stream),
            store=create.store is not False,
            metadata=create.metadata or {},
            service_tier=FLEX if create.service_tier == FLEX else "default",
            **{name: body.get(name) for name in UNCHANGED_FIELDS},
            tools=[tool.model_dump() for tool in create.tools or ()],
            prompt=rendered,
            history=list(history),
            root=root,
            input=messages,
            webhook=create.penstock.webhook if create.penstock else None,
            review=_is_reviewed(create, rendered),
        )

    @classmethod
    def from_json(cls, stored: str | bytes) -> Self:
        """The request in a row. Fields that the row lacks get their defaults; unknown ones are ignored."""
        values = orjson.loads(stored)
        known = {name: values[name] for name in _FIELD_NAMES if values.get(name) is not None}
        if prompt := known.get("prompt"):
            known["prompt"] = RenderedPrompt.from_stored(prompt)
        return cls(**{"model": "", **known})

    def to_json(self) -> bytes:
        """The request as its row stores it. Raises InvalidRequest when JSON cannot carry a value."""
        try:
            return orjson.dumps(self, option=orjson.OPT_SORT_KEYS)
        except TypeError as error:
            raise InvalidRequest(f"The request cannot be stored: {error}.") from error

    @property
    def messages(self) -> list[Message]:
        """The request's own messages: those of its prompt, then its input."""
        return [*(self.prompt.messages if self.prompt else ()), *self.input]

    @property
    def model_messages(self) -> list[Message]:
        """Everything that the model reads: instructions, history, the request's own messages.

        `developer` is what every server but OpenAI's calls `system`.
        """
        messages = [message for turn in (*self.history, self.messages) for message in turn]
        if self.instructions:
            messages.insert(0, {"role": "system", "content": self.instructions})
        return [
            {**message, "role": message["role"].replace("developer", "system")}
            for message in ({name: each[name] for name in each if name != "phase"} for each in messages)
        ]

    @property
    def images(self) -> dict[str, Mapping[str, Any]]:
        """The kept images that the model sees, by name."""
        return kept_images(message for turn in (*self.history, self.input) for message in turn)

    @property
    def variables(self) -> Mapping[str, Any]:
        """The variables of the prompt; none without a prompt."""
        return self.prompt.variables if self.prompt else {}

    @property
    def plan(self) -> Mapping[str, Sequence[Message]]:
        """The messages for each step of the prompt's plan; none without a plan."""
        return self.prompt.plan if self.prompt else {}

    @property
    def target_words(self) -> int | None:
        """The intended length of the text, if the prompt has a variable `words`."""
        words = self.variables.get("words")
        return words if isinstance(words, int) else None

    @property
    def search_text(self) -> str:
        """The client's own words, by which people look for a job: variables, and the input's text."""
        return "\n".join([*map(str, self.variables.values()), *(message["content"] for message in self.input)])


def _says_something(message: Message) -> bool:
    return bool(message["content"]) or "call_id" in message or "images" in message


_FIELD_NAMES = tuple(field.name for field in fields(JobRequest))


def named_model(create: CreateRequest, prompts: Prompts) -> str | None:
    """The model that a request names, else the one that its prompt does. Raises InvalidRequest: no such prompt."""
    prompt = create.prompt
    return create.model or (prompts.get(prompt.id, prompt.version).model if prompt else None)


def _with_defaults(create: CreateRequest, prompt: Prompt) -> CreateRequest:
    """The body, with the values of its prompt where it has none of its own. Raises InvalidRequest."""
    missing = {name: value for name, value in prompt.parameters if getattr(create, name) is None}
    text = create.text or TextOptions()
    if prompt.output and "format" not in text.model_fields_set:
        text = text.model_copy(update={"format": prompt.output})
    if prompt.section and text.format.type != "text":
        raise InvalidRequest(f"Prompt '{prompt.id}' writes sections of text, no JSON.", param="text.format")
    return create.model_copy(update={**missing, "text": text})


def _check_tools(create: CreateRequest, prompt: Prompt) -> None:
    if create.tools and (prompt.section or prompt.runnable):
        words = f"Prompt '{prompt.id}' calls no tools: leave them out, or use a prompt that is one question to a model."
        raise InvalidRequest(words, param="tools")


def _is_reviewed(create: CreateRequest, rendered: RenderedPrompt | None) -> bool:
    """Whether the job waits for an agreement on its plan. Raises InvalidRequest when it cannot."""
    if not (create.penstock and create.penstock.review):
        return False
    if not (rendered and rendered.plan):
        words = "Only a prompt that plans has a plan to agree on, as 'report': name one, or leave out 'review'."
        raise InvalidRequest(words, param="penstock.review")
    if not create.background:
        words = "A plan may wait for days, a connection does not: add 'background': true, or leave out 'review'."
        raise InvalidRequest(words, param="penstock.review")
    return True

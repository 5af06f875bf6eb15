"""The types of what goes over the wire: the response object, its items, their parts, and the `penstock` object.

`/openapi.json` describes answers by these types; the words for people are in web/api/openapi.toml.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from jobs.job import Status
from jobs.requests.parameters import Reasoning, TextOptions
from jobs.requests.tools import FunctionTool, ToolByName

ItemStatus = Literal["in_progress", "completed", "incomplete"]
PartType = Literal["output_text", "refusal", "reasoning_text", "summary_text"]
# What an item holds text in: its parts, or the arguments of a call.
TextType = PartType | Literal["arguments"]


class OutputText(TypedDict):
    """A part of an answer."""

    type: Literal["output_text"]
    text: str
    annotations: Annotated[list[Any], Field(max_length=0)]
    logprobs: Annotated[list[Any], Field(max_length=0)]


class Refusal(TypedDict):
    """What a model said instead of an answer."""

    type: Literal["refusal"]
    refusal: str


class ReasoningText(TypedDict):
    """A part of what a model thought; `summary_text` is the plan of a report."""

    type: Literal["reasoning_text", "summary_text"]
    text: str


class Place(TypedDict):
    """The `penstock` object of an item: its section, and how it came to be there; times in seconds of the job."""

    section: int
    title: NotRequired[str]
    replaces: NotRequired[str]
    reason: NotRequired[str]
    started: NotRequired[float]
    ended: NotRequired[float]


class OutputMessage(TypedDict):
    """An item with a section's answer."""

    id: str
    type: Literal["message"]
    status: ItemStatus
    role: Literal["assistant"]
    content: list[OutputText | Refusal]
    penstock: Place


class OutputReasoning(TypedDict):
    """An item with what a model thought before a section."""

    id: str
    type: Literal["reasoning"]
    status: ItemStatus
    summary: list[ReasoningText]
    content: list[ReasoningText]
    penstock: Place


class OutputCall(TypedDict):
    """An item with a call of a client's function that the model asks for; `arguments` is meant to be JSON."""

    id: str
    type: Literal["function_call"]
    status: ItemStatus
    call_id: str
    name: str
    arguments: str
    penstock: Place


Item = OutputMessage | OutputReasoning | OutputCall


class Failure(TypedDict):
    """Why a job failed; responses of versions before have no `type`."""

    type: NotRequired[str]
    code: str
    message: str


class IncompleteDetails(TypedDict):
    """Why a text ends early."""

    reason: str


class PromptUsed(TypedDict):
    """The prompt that ran; variables are texts, because that is the clients' type."""

    id: str
    version: str
    variables: dict[str, str]


class InputTokensDetails(TypedDict):
    """What became of the input's tokens."""

    cached_tokens: int
    cache_write_tokens: int


class OutputTokensDetails(TypedDict):
    """What the output's tokens were for."""

    reasoning_tokens: int


class Usage(TypedDict):
    """What a job cost, as the model server counts."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class Timing(TypedDict):
    """Seconds from when an ended job was accepted; `cancel` is how long the end took that was asked for."""

    queued: float
    first_token: float | None
    total: float
    cancel: NotRequired[float]


class AttemptBegun(TypedDict):
    """An attempt: when it began, in seconds of the job, and why it was needed."""

    attempt: int
    started: float
    reason: str | None


class RateCurve(TypedDict):
    """How many characters the model said in each slot of time."""

    slot_seconds: int
    characters: list[int]


class SectionProgress(TypedDict):
    """How far a section is."""

    section: int
    title: str | None
    status: Literal["queued", "in_progress", "completed", "incomplete"]
    words: int
    started: float | None
    ended: float | None


class SectionsDone(TypedDict):
    """How many sections are done, and how far each is."""

    done: int
    total: int
    words: int
    sections: list[SectionProgress]


class Rewrite(TypedDict):
    """Which section of a report was written again, and how it was wished; or which version of it was taken."""

    section: int
    wish: NotRequired[str]
    taken_from: NotRequired[str]


class Progress(TypedDict):
    """The `penstock` object of a response: what OpenAI's object has no room for."""

    attempt: int
    attempts: NotRequired[list[AttemptBegun]]
    retry_of: NotRequired[str]
    review: NotRequired[bool]
    rewrite: NotRequired[Rewrite]
    sha256: NotRequired[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]
    excerpt: NotRequired[str]
    queue_position: NotRequired[int]
    oldest_wait_seconds: NotRequired[float]
    time_to_first_token: NotRequired[float]
    tokens_per_second: NotRequired[float]
    eta_seconds: NotRequired[int | None]
    timing: NotRequired[Timing]
    curve: NotRequired[RateCurve]
    progress: NotRequired[SectionsDone]
    parsed: NotRequired[Any]
    parts: NotRequired[dict[str, str]]
    outline: NotRequired[dict[str, Any]]
    faults: NotRequired[dict[str, str]]
    models: NotRequired[dict[str, str | None]]
    notice: NotRequired[str]
    waiting: NotRequired[dict[str, Any]]
    status_details: NotRequired[dict[str, Any]]


class Response(TypedDict):
    """A response: every field that the strict clients and Open Responses ask for is always there."""

    id: Annotated[str, Field(pattern=r"^resp_[0-9a-f]{40}$")]
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Status
    error: Failure | None
    incomplete_details: IncompleteDetails | None
    model: str
    instructions: str | None
    prompt: PromptUsed | None
    output: list[Item]
    usage: Usage | None
    penstock: Progress
    background: bool
    store: bool
    metadata: dict[str, str]
    user: str | None
    previous_response_id: str | None
    temperature: float
    top_p: float
    max_output_tokens: int | None
    reasoning: Reasoning | None
    text: TextOptions
    tools: list[FunctionTool]
    tool_choice: Literal["none", "auto", "required"] | ToolByName
    parallel_tool_calls: bool
    max_tool_calls: None
    top_logprobs: Literal[0]
    presence_penalty: float
    frequency_penalty: float
    truncation: str
    service_tier: Literal["default", "flex"]
    safety_identifier: str | None
    prompt_cache_key: str | None

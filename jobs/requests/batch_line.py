"""A line of a batch's file: one request, by the name that its file has for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, StringConstraints

from jobs.errors import InvalidRequest
from jobs.requests import chat_request, generation
from jobs.requests.generation import CreateRequest, validated
from jobs.requests.images import Image, check_images
from jobs.requests.input_items import ItemReference
from jobs.requests.job_request import FLEX, JobRequest, named_model
from jobs.requests.messages import sent_images
from jobs.requests.prompt_folder import Prompts
from jobs.settings import Settings

RESPONSES = "/v1/responses"
CHAT_COMPLETIONS = "/v1/chat/completions"
ENDPOINTS = (RESPONSES, CHAT_COMPLETIONS)
_NOT_IN_BATCHES = ("stream", "background", "previous_response_id", "penstock")


class BatchLine(NamedTuple):
    """A line that can be run: what the file calls it, what its job keeps of it, and the images that came as data."""

    custom_id: str
    request: JobRequest
    images: Mapping[str, Image]


class _Line(BaseModel):
    custom_id: Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]
    method: Literal["POST"]
    url: str
    body: dict[str, Any]


class LineReader:
    """Reads the lines of one batch, whose requests all go to its `endpoint`; `model` is for those that name none.

    No line may have more than `longest` bytes.
    """

    def __init__(self, endpoint: str, prompts: Prompts, model: str | None, settings: Settings) -> None:
        self._endpoint = endpoint
        self._prompts = prompts
        self._model = model
        self._settings = settings
        self.longest = settings.max_request_bytes + settings.max_image_bytes * 4 // 3

    def read(self, line: bytes) -> BatchLine:
        """What a line asks for. Raises InvalidRequest that says why it cannot be run."""
        if len(line) > self.longest:
            raise InvalidRequest(f"A line has at most {self.longest:,} bytes, as a request has.")
        read = validated(_Line, line)
        if read.url != self._endpoint:
            raise InvalidRequest(f"The batch is for {self._endpoint}, and this line for {read.url[:100]}.", param="url")
        for name in _NOT_IN_BATCHES:
            if read.body.get(name):
                raise InvalidRequest(f"'{name}' has no place in a batch: leave it out.", param=f"body.{name}")
        create = self._create(read.body)
        if any(isinstance(item, ItemReference) for item in create.input or ()):
            raise InvalidRequest("A batch has no 'item_reference': write the item itself.", param="body.input")
        create = create.model_copy(update={"service_tier": FLEX, "store": True})
        model = named_model(create, self._prompts) or self._model
        if model is None:
            raise InvalidRequest("Name a model: this server has no default.", param="body.model")
        request = JobRequest.from_create(create, self._prompts, default_model=model, allowed=self._settings.models)
        check_images(request.model_messages, self._settings.max_image_bytes)
        request.to_json()  # what JSON cannot carry is to be refused with its line
        return BatchLine(read.custom_id, request, sent_images(create.input or ()))

    def _create(self, body: dict[str, Any]) -> CreateRequest:
        if self._endpoint == CHAT_COMPLETIONS:
            return chat_request.parse(body)[1]
        return generation.checked(validated(CreateRequest, body))

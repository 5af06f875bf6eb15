"""What a schedule asks for: the body that makes it, and the request of each of its runs."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from pydantic import BaseModel, StringConstraints

from jobs.errors import InvalidRequest
from jobs.requests.generation import CreateRequest, checked, validated
from jobs.requests.input_items import ItemReference
from jobs.requests.job_request import JobRequest, named_model
from jobs.requests.messages import sent_images
from jobs.requests.prompt_folder import Prompts
from jobs.schedules.timing import filled

_NOT_REPEATED = ("stream", "store", "previous_response_id")


class ScheduleWish(BaseModel):
    """The body that makes a schedule; `request` is one of `POST /v1/responses`, with `{date}` in its texts."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")]
    cron: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    timezone: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "UTC"
    request: dict[str, Any]


def body_at(request: dict[str, Any], due: float, timezone: str) -> bytes:
    """The body of the run that is due at this time, the same bytes each time that it is asked for."""
    return orjson.dumps(_filled({**request, "background": True}, due, timezone), option=orjson.OPT_SORT_KEYS)


def request_of(body: bytes, prompts: Prompts, model: str | None, models: tuple[str, ...] = ()) -> JobRequest:
    """The request of a run; `model` is for one that names none, `models` are those that there are, if only some.

    Raises InvalidRequest that says why it cannot be run.
    """
    create = checked(validated(CreateRequest, body))
    for name in _NOT_REPEATED:
        if getattr(create, name):
            raise InvalidRequest(f"'{name}' has no place in a schedule: leave it out.", param=f"request.{name}")
    if any(isinstance(item, ItemReference) for item in create.input or ()) or sent_images(create.input or ()):
        raise InvalidRequest("A schedule asks with words: leave out images and references.", param="request.input")
    chosen = named_model(create, prompts) or model
    if chosen is None:
        raise InvalidRequest("Name a model: this server has no default.", param="request.model")
    return JobRequest.from_create(create, prompts, default_model=chosen, allowed=models)


def _filled(value: Any, due: float, timezone: str) -> Any:
    match value:
        case str():
            return filled(value, due, timezone)
        case dict():
            return {name: _filled(inner, due, timezone) for name, inner in value.items()}
        case list():
            return [_filled(inner, due, timezone) for inner in value]
    return value

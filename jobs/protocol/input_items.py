"""What a job was asked, as the items of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.job import Job
from jobs.protocol.ids import input_item_id
from jobs.requests.images import data_url, parts_of
from jobs.requests.messages import CALL, CALL_OUTPUT
from jobs.requests.prompts import Message

_NO_IMAGES: Mapping[str, bytes] = {}


def input_items(job: Job, images: Mapping[str, bytes] = _NO_IMAGES) -> list[dict[str, Any]]:
    """The job's own messages, calls and outputs of calls, in order: those of its prompt, then its input.

    Images whose data are not among `images`, by name, have no `image_url`.
    """
    return [_item(job.id, number, message, images) for number, message in enumerate(job.request.messages)]


def _item(job_id: str, number: int, message: Message, images: Mapping[str, bytes]) -> dict[str, Any]:
    match message.get("type"):
        case "function_call":
            fields = {"type": CALL, **{name: message[name] for name in ("call_id", "name", "arguments")}}
            return {"id": input_item_id("fc", job_id, number), "status": "completed", **fields}
        case "function_call_output":
            fields = {"type": CALL_OUTPUT, "call_id": message["call_id"], "output": message["content"]}
            return {"id": input_item_id("fco", job_id, number), "status": "completed", **fields}
    answered = message["role"] == "assistant"
    part = {"type": "output_text", "annotations": []} if answered else {"type": "input_text"}
    return {
        "id": input_item_id("msg", job_id, number),
        "type": "message",
        "status": "completed",
        "role": message["role"],
        "content": [_part(each, part, images) for each in parts_of(message)] or [{**part, "text": ""}],
        **({"phase": message["phase"]} if "phase" in message else {}),
    }


def _part(said: str | Mapping[str, Any], part: Mapping[str, Any], images: Mapping[str, bytes]) -> dict[str, Any]:
    """A piece of a message: text as this `part`, or an image."""
    if isinstance(said, str):
        return {**part, "text": said}
    data = images.get(said.get("sha256", ""))
    url = data_url(said["media_type"], data) if data is not None else said.get("url")
    return {"type": "input_image", "detail": said.get("detail", "auto"), "file_id": None, "image_url": url}

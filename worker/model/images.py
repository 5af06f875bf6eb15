"""Images in messages, in the form in which chat models are shown them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.requests.images import data_url, parts_of
from jobs.requests.prompts import Message


def with_images(messages: Iterable[Message], data: Mapping[str, bytes]) -> list[Message]:
    """The messages, each image where it stands in its text; `data` are those that a job keeps, by name."""
    return [_shown(message, data) if "images" in message else message for message in messages]


def _shown(message: Message, data: Mapping[str, bytes]) -> Message:
    content = [
        {"type": "text", "text": part} if isinstance(part, str) else _image(part, data) for part in parts_of(message)
    ]
    return {**{name: value for name, value in message.items() if name != "images"}, "content": content}


def _image(image: Mapping[str, Any], data: Mapping[str, bytes]) -> dict[str, Any]:
    url = data_url(image["media_type"], data[image["sha256"]]) if "sha256" in image else image["url"]
    detail = {"detail": image["detail"]} if "detail" in image else {}
    return {"type": "image_url", "image_url": {"url": url, **detail}}

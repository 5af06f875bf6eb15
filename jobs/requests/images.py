"""Images of an input: by address, which only a model server ever fetches, or as data, which are kept once per owner."""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, InstanceOf

from jobs.errors import InvalidRequest
from jobs.requests.prompts import Message

# The types that models read, and how the data of each begin.
_BEGINNINGS: Mapping[str, re.Pattern[bytes]] = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
_DATA = re.compile(r"data:(image/[a-z0-9.+-]+);base64,", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s/]\S*", re.IGNORECASE)
MOST_ADDRESS_CHARACTERS = 8192
# In a request and the conversation before it.
MOST_IMAGES = 64


@dataclass(frozen=True, slots=True)
class Image:
    """An image that came as data; its `sha256` is its name."""

    media_type: str
    data: bytes
    sha256: str


def data_url(media_type: str, data: bytes) -> str:
    """An image as the API has it."""
    return f"data:{media_type};base64,{binascii.b2a_base64(data, newline=False).decode()}"


def _image(value: Any) -> Any:
    """The image of a `data:` URL, or the address of one. Raises ValueError."""
    if not isinstance(value, str):
        return value
    if data := _DATA.match(value):
        return _decoded(data[1].lower().replace("/jpg", "/jpeg"), value[data.end() :])
    if not _ADDRESS.fullmatch(value) or len(value) > MOST_ADDRESS_CHARACTERS:
        raise ValueError("send 'data:image/png;base64,...' or an http(s) address")
    return value


def _decoded(media_type: str, encoded: str) -> Image:
    if media_type not in _BEGINNINGS:
        raise ValueError(f"{media_type} is not supported: send {', '.join(_BEGINNINGS)}")
    try:
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError as error:  # binascii.Error, or text that is not ASCII
        raise ValueError("the image is not valid base64") from error
    if not _BEGINNINGS[media_type].match(data):
        raise ValueError(f"the data are no {media_type}")
    return Image(media_type, data, hashlib.sha256(data).hexdigest())


class ImagePart(BaseModel):
    """An image inside an input message. Penstock never fetches one from its address: the model server does."""

    type: Literal["input_image"]
    image_url: Annotated[InstanceOf[Image] | str, BeforeValidator(_image, json_schema_input_type=str)]
    detail: Literal["auto", "low", "high", "original"] | None = None

    def reference(self, place: int) -> dict[str, Any]:
        """What a job keeps of the image, which stands behind so many characters of its message's text."""
        detail = {"detail": self.detail} if self.detail else {}
        match self.image_url:
            case Image(media_type, data, sha256):
                return {"at": place, "sha256": sha256, "media_type": media_type, "size": len(data), **detail}
            case address:
                return {"at": place, "url": address, **detail}


def parts_of(message: Message) -> Iterator[str | Mapping[str, Any]]:
    """A kept message's pieces of text, and the references to its images, in the order in which they were sent."""
    text, start = message["content"], 0
    for image in message.get("images", ()):
        if image["at"] > start:
            yield text[start : image["at"]]
        start = image["at"]
        yield image
    if start < len(text):
        yield text[start:]


def kept_images(messages: Iterable[Message]) -> dict[str, Mapping[str, Any]]:
    """The references to images that came as data, by their names."""
    images = (image for message in messages for image in message.get("images", ()))
    return {image["sha256"]: image for image in images if "sha256" in image}


def check_images(messages: Iterable[Message], most_bytes: int) -> None:
    """Raise InvalidRequest when a conversation has too many images, or more than so many bytes of them."""
    given = list(messages)
    if sum(len(message.get("images", ())) for message in given) > MOST_IMAGES:
        raise _too_many(f"A conversation has at most {MOST_IMAGES} images: send fewer.")
    size = sum(image["size"] for image in kept_images(given).values())
    if size > most_bytes:
        words = f"The images of this conversation have {size:,} bytes; {most_bytes:,} is the most"
        raise _too_many(f"{words} (PENSTOCK_MAX_IMAGE_BYTES): send smaller ones, or their addresses.")


def _too_many(words: str) -> InvalidRequest:
    return InvalidRequest(words, param="input", code="images_too_large")

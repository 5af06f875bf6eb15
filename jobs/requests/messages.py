"""The messages of a conversation as a job keeps them.

Each has a role and content. A call that a model asked for is an assistant's message without content, its output one of
the role `tool`; both have a `call_id`. Images stand beside the text, each with its place in it and without its data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobs.errors import InvalidRequest
from jobs.requests.images import Image, ImagePart
from jobs.requests.input_items import FunctionCall, FunctionCallOutput, InputItem, InputMessage, ItemReference
from jobs.requests.prompts import Message
from jobs.requests.sources.files import FilePart

CALL, CALL_OUTPUT = "function_call", "function_call_output"


def message_of(item: InputItem) -> Message:
    """An item of the input as a job keeps it; references have to be resolved before.

    Raises InvalidRequest for a file whose text was not put in its place.
    """
    match item:
        case InputMessage():
            _refuse_files(item.content)
            phase = {"phase": item.phase} if item.phase else {}
            images = list(_images(item.content))
            kept = {"images": images} if images else {}
            return {"role": item.role, "content": _text(item.content), **kept, **phase}
        case FunctionCall():
            return _call(item.call_id, item.name, item.arguments)
        case FunctionCallOutput():
            return {"role": "tool", "content": _text(item.output), "type": CALL_OUTPUT, "call_id": item.call_id}
        case ItemReference():
            raise TypeError(item.id)


def messages_of(output: list[Mapping[str, Any]], text: str) -> Iterator[Message]:
    """What a response with this output has said: its `text`, then its calls but for those that were cut short."""
    calls = [item for item in output if item["type"] == CALL and item["status"] == "completed"]
    if text or not calls:
        yield {"role": "assistant", "content": text}
    for call in calls:
        yield _call(call["call_id"], call["name"], call["arguments"])


def sent_images(items: Iterable[InputItem]) -> dict[str, Image]:
    """The images that came with an input as data, by name."""
    parts = (part for item in items if isinstance(item, InputMessage) for part in item.content)
    images = (part.image_url for part in parts if isinstance(part, ImagePart))
    return {image.sha256: image for image in images if isinstance(image, Image)}


def _call(call_id: str, name: str, arguments: str) -> Message:
    call = {"type": CALL, "call_id": call_id, "name": name, "arguments": arguments}
    return {"role": "assistant", "content": "", **call}


def _refuse_files(parts: Sequence[Any]) -> None:
    if file := next((part for part in parts if isinstance(part, FilePart)), None):
        words = f"'{file.filename}': a batch has no files; send the text of this one, which /v1/sources gives."
        raise InvalidRequest(words, param="input")


def _text(parts: Sequence[Any]) -> str:
    return "".join(part.text for part in parts if not isinstance(part, ImagePart))


def _images(parts: Sequence[Any]) -> Iterator[dict[str, Any]]:
    place = 0
    for part in parts:
        if isinstance(part, ImagePart):
            yield part.reference(place)
        else:
            place += len(part.text)

"""The items that a request's `input` may hold, and the parts inside a message. Others are refused by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from jobs.requests.images import ImagePart
from jobs.requests.sources.files import FilePart
from jobs.requests.tools import UNSUPPORTED


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


_TEXT_TYPES = ("input_text", "output_text", "text", "refusal")
PART_TYPES = (*_TEXT_TYPES, "input_image", "input_file")


def _known_part(value: Any) -> Any:
    """The part, if its type is one of PART_TYPES. Raises PydanticCustomError."""
    if isinstance(value, dict) and value.get("type") == "input_image" and not value.get("image_url"):
        words = "an image is sent as 'image_url', a data: URL or an address; files are not kept here"
        raise PydanticCustomError(UNSUPPORTED, "{words}", {"words": words})
    if isinstance(value, dict) and value.get("type") == "input_file" and not value.get("file_data"):
        words = "a file is sent as 'file_data', a data: URL, with its 'filename'; addresses and ids are not fetched"
        raise PydanticCustomError(UNSUPPORTED, "{words}", {"words": words})
    return _known(value, "part", PART_TYPES, "text, images or files")


def _known_text(value: Any) -> Any:
    """The part, if it is text: no chat model takes anything else as the output of a call."""
    return _known(value, "part", _TEXT_TYPES, "text")


Words = Annotated[TextPart | RefusalPart, Field(discriminator="type"), BeforeValidator(_known_text)]
Part = Annotated[
    TextPart | RefusalPart | ImagePart | FilePart, Field(discriminator="type"), BeforeValidator(_known_part)
]


def _parts(value: Any) -> Any:
    """A text as a list of one part; null as none."""
    if value is None:
        return []
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


CallId = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class InputMessage(BaseModel):
    """One message of an input list. `phase` is the client's to set, and only kept."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Annotated[
        list[Part],
        BeforeValidator(
            _parts, json_schema_input_type=str | list[TextPart | RefusalPart | ImagePart | FilePart] | None
        ),
    ]
    phase: Annotated[str, StringConstraints(max_length=64)] | None = None


class FunctionCall(BaseModel):
    """A call that a model asked for, given back with its output; its arguments stay as the model wrote them."""

    type: Literal["function_call"]
    call_id: CallId
    name: Annotated[str, StringConstraints(min_length=1)]
    arguments: str


class FunctionCallOutput(BaseModel):
    """What the client's function gave for a call."""

    type: Literal["function_call_output"]
    call_id: CallId
    output: Annotated[list[Words], BeforeValidator(_parts, json_schema_input_type=str | list[TextPart] | None)]


class ItemReference(BaseModel):
    """An item of one of the caller's stored responses, by its id; one with a thought (`rs_`) is left out."""

    type: Literal["item_reference"] = "item_reference"
    id: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class ReasoningItem(BaseModel):
    """A thought out of an earlier response, given back with its output; no model is told it again."""

    type: Literal["reasoning"]


ITEM_TYPES = ("message", "function_call", "function_call_output", "item_reference")


def _known_item(value: Any) -> Any:
    """The item with its type, if that is one of ITEM_TYPES. Raises PydanticCustomError."""
    if isinstance(value, dict) and value.get("type") is None:
        value = {**value, "type": "item_reference" if "id" in value and "role" not in value else "message"}
    return _known(value, "item", ITEM_TYPES, "messages and calls of functions")


def _known(value: Any, what: str, types: tuple[str, ...], remedy: str) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind not in types:
        words = f"{what}s of type '{kind[:64]}' are not supported: send {remedy}, or leave it out"
        raise PydanticCustomError(UNSUPPORTED, "{words}", {"words": words})
    return value


InputItem = Annotated[
    InputMessage | FunctionCall | FunctionCallOutput | ItemReference,
    Field(discriminator="type"),
    BeforeValidator(
        _known_item,
        json_schema_input_type=InputMessage | FunctionCall | FunctionCallOutput | ItemReference | ReasoningItem,
    ),
]


def _items(value: Any) -> Any:
    """A text as a list of one message; the thoughts in a list, and references to thoughts, left out."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if isinstance(value, list):
        return [item for item in value if not (isinstance(item, dict) and _is_thought(item))]
    return value


def _is_thought(item: dict[str, Any]) -> bool:
    if item.get("type") == "reasoning":
        return True
    return item.get("type") in ("item_reference", None) and "role" not in item and str(item.get("id")).startswith("rs_")


Input = Annotated[list[InputItem], BeforeValidator(_items, json_schema_input_type=str | list[InputItem])]

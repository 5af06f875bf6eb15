"""What a program does with `llm`, whose models of OpenAI's speak chat completions."""

from __future__ import annotations

import base64
import os
from typing import Any

import llm  # type: ignore[import-not-found]  # its pins are not the project's
from llm.default_plugins.openai_models import Chat  # type: ignore[import-not-found]
from parts import PICTURE, main  # type: ignore[import-not-found]  # beside it, and in no package
from pydantic import BaseModel


def model() -> Any:
    """A model as a line of `extra-openai-models.yaml` describes it."""
    features = {"supports_schema": True, "supports_tools": True, "vision": True}
    address = os.environ["OPENAI_BASE_URL"]
    made = Chat("demo", model_name="demo+rate=0", api_base=address, **features)
    made.key = os.environ["OPENAI_API_KEY"]
    return made


def answers() -> dict[str, Any]:
    """One question, one answer."""
    return {"text": model().prompt("hello [[demo tokens=10]]", stream=False).text()}


def streams() -> dict[str, Any]:
    """The same, piece by piece."""
    return {"pieces": [piece for piece in model().prompt("hello [[demo tokens=60 rate=60]]") if piece]}


def calls_tools() -> dict[str, Any]:
    """A call of a function, which is made here, and the answer to what it gave."""
    asked = []

    def weather(place: str) -> str:
        """Tell the weather at a place."""
        asked.append(place)
        return f"fine in {place}"

    return {"asked": asked, "text": model().chain("what weather? [[demo calls=1]]", tools=[weather]).text()}


class City(BaseModel):
    """What is to be said about a city."""

    name: str
    people: int


def parses() -> dict[str, Any]:
    """An answer in the form of a class."""
    return dict(City.model_validate_json(model().prompt("a city", schema=City).text()))


def continues() -> dict[str, Any]:
    """A second turn, with the first one before it."""
    conversation = model().conversation()
    read = []
    for asked in ("my name is 翠花 [[demo tokens=5]]", "what is my name?"):
        turn = conversation.prompt(asked)
        turn.text()
        read.append(turn.usage().input)
    return {"read": read}


def sees_images() -> dict[str, Any]:
    """A question about an image."""
    image = llm.Attachment(type="image/png", content=base64.b64decode(PICTURE.partition(",")[2]))
    return {"text": model().prompt("[[demo echo]]a ", attachments=[image]).text()}


def fails() -> None:
    """A model that breaks down."""
    model().prompt("hello [[demo error=5]]", stream=False).text()


if __name__ == "__main__":
    main(globals())

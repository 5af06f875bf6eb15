"""What a program does with instructor, whose answers are calls of a tool over chat completions."""

from __future__ import annotations

from typing import Any

import instructor  # type: ignore[import-not-found]  # its pins are not the project's
import openai
from parts import PICTURE, main  # type: ignore[import-not-found]  # beside it, and in no package
from pydantic import BaseModel

MODEL = "demo+rate=0"


class City(BaseModel):
    """What is to be said about a city."""

    name: str
    people: int


def ask(question: Any, mode: Any = instructor.Mode.TOOLS, **options: Any) -> Any:
    """A city; address and key come from the environment."""
    client = instructor.from_openai(openai.OpenAI(max_retries=0), mode=mode)
    messages = [{"role": "user", "content": question}]
    return client.create(model=MODEL, response_model=City, messages=messages, max_retries=1, **options)


def parses() -> dict[str, Any]:
    """An answer in the form of a class: as a call, as JSON by a schema, over the Responses API."""
    calls = "a city [[demo calls=1]]"
    ways = [ask(calls), ask("a city", instructor.Mode.JSON_SCHEMA), ask(calls, instructor.Mode.RESPONSES_TOOLS)]
    return dict(ways[0]) if all(isinstance(way, City) for way in ways) else {}


def streams() -> dict[str, Any]:
    """The same while it is written."""
    client = instructor.from_openai(openai.OpenAI())
    messages: Any = [{"role": "user", "content": "a city [[demo calls=1 rate=60]]"}]
    pieces = client.create_partial(model=MODEL, response_model=City, messages=messages)
    return {"pieces": [str(piece) for piece in pieces]}


def sees_images() -> dict[str, Any]:
    """A question about an image."""
    return {"text": f"[image/png, {ask(['[[demo calls=1]]', instructor.Image.from_base64(PICTURE)]).name}"}


def fails() -> None:
    """A model that breaks down."""
    ask("hello [[demo error=1]]", instructor.Mode.JSON_SCHEMA)


if __name__ == "__main__":
    main(globals())

"""What a program does with pydantic-ai: agents over the Responses API, streams, tools, output types."""

from __future__ import annotations

import asyncio
from typing import Any

from parts import PICTURE, main  # type: ignore[import-not-found]  # beside it, and in no package
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ThinkingPart  # type: ignore[import-not-found]  # pins of its own
from pydantic_ai.models.openai import OpenAIResponsesModel  # type: ignore[import-not-found]


def agent(**options: Any) -> Any:
    """An agent; address and key come from the environment."""
    return Agent(OpenAIResponsesModel("demo+rate=0"), **options)


def answers() -> dict[str, Any]:
    """One question, one answer."""
    return {"text": agent().run_sync("hello [[demo tokens=10]]").output}


def streams() -> dict[str, Any]:
    """The same, piece by piece."""

    async def stream() -> list[str]:
        async with agent().run_stream("hello [[demo tokens=60 rate=60]]") as result:
            return [piece async for piece in result.stream_text(delta=True, debounce_by=None)]

    return {"pieces": asyncio.run(stream())}


def thinks() -> dict[str, Any]:
    """The thought before an answer."""
    result = agent().run_sync("hello [[demo tokens=5 think=5]]")
    parts = [part for message in result.all_messages() for part in message.parts]
    return {"thought": "".join(part.content for part in parts if isinstance(part, ThinkingPart))}


def calls_tools() -> dict[str, Any]:
    """A call of a function, which is made here, and the answer to what it gave."""
    asked = []
    helpful = agent()

    @helpful.tool_plain  # type: ignore[untyped-decorator]
    def weather(place: str) -> str:
        """Tell the weather at a place."""
        asked.append(place)
        return f"fine in {place}"

    return {"asked": asked, "text": helpful.run_sync("what weather? [[demo calls=1]]").output}


class City(BaseModel):
    """What is to be said about a city."""

    name: str
    people: int


def parses() -> dict[str, Any]:
    """An answer in the form of a class, which is the argument of a call."""
    return dict(agent(output_type=City).run_sync("a city [[demo calls=1]]").output)


def continues() -> dict[str, Any]:
    """A second turn, with the first one before it."""
    first = agent().run_sync("my name is 翠花 [[demo tokens=5]]")
    second = agent().run_sync("what is my name?", message_history=first.all_messages())
    return {"read": [result.usage.input_tokens for result in (first, second)]}


def sees_images() -> dict[str, Any]:
    """A question about an image."""
    image = BinaryContent.from_data_uri(PICTURE)
    return {"text": agent().run_sync(["[[demo echo]]a ", image]).output}


def fails() -> None:
    """A model that breaks down."""
    agent().run_sync("hello [[demo error=5]]")


if __name__ == "__main__":
    main(globals())

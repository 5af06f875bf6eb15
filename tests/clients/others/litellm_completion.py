"""What a program does with LiteLLM: `completion` over chat completions, and `responses`."""

from __future__ import annotations

import json
from typing import Any

import litellm  # type: ignore[import-not-found]  # its pins are not the project's
from parts import PICTURE, main  # type: ignore[import-not-found]  # beside it, and in no package
from pydantic import BaseModel

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


def ask(*messages: Any, **options: Any) -> Any:
    """One call; address and key come from the environment."""
    said = [{"role": "user", "content": message} if isinstance(message, str) else message for message in messages]
    return litellm.completion("openai/demo+rate=0", said, **options)


def answers() -> dict[str, Any]:
    """One question, one answer; of the other API as well."""
    other = litellm.responses(model="openai/demo+rate=0", input="hello [[demo tokens=10]]")
    text = ask("hello [[demo tokens=10]]").choices[0].message.content
    return {"text": text if text == other.output[0].content[0].text else ""}


def streams() -> dict[str, Any]:
    """The same, piece by piece."""
    chunks = ask("hello [[demo tokens=60 rate=60]]", stream=True)
    return {"pieces": [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]}


def thinks() -> dict[str, Any]:
    """The thought before an answer."""
    return {"thought": ask("hello [[demo tokens=5 think=5]]").choices[0].message.reasoning_content}


def calls_tools() -> dict[str, Any]:
    """A call of a function, which is made here, and the answer to what it gave."""
    question: dict[str, Any] = {"role": "user", "content": "what weather? [[demo calls=1]]"}
    message = ask(question, tools=[WEATHER]).choices[0].message
    call = message.tool_calls[0]
    output = {"role": "tool", "tool_call_id": call.id, "content": "fine"}
    answer = ask(question, message.model_dump(), output, tools=[WEATHER])
    asked = [json.loads(call.function.arguments)["place"]]
    return {"asked": asked, "text": answer.choices[0].message.content}


class City(BaseModel):
    """What is to be said about a city."""

    name: str
    people: int


def parses() -> dict[str, Any]:
    """An answer in the form of a class."""
    return dict(City.model_validate_json(ask("a city", response_format=City).choices[0].message.content))


def continues() -> dict[str, Any]:
    """A second turn, with the first one before it."""
    first = ask("my name is 翠花 [[demo tokens=5]]")
    second = ask("my name is 翠花", first.choices[0].message.model_dump(), "what is my name?")
    return {"read": [answer.usage.prompt_tokens for answer in (first, second)]}


def sees_images() -> dict[str, Any]:
    """A question about an image."""
    parts = [{"type": "text", "text": "[[demo echo]]a "}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    return {"text": ask({"role": "user", "content": parts}).choices[0].message.content}


def fails() -> None:
    """A model that breaks down."""
    ask("hello [[demo error=5]]", num_retries=0)


if __name__ == "__main__":
    main(globals())

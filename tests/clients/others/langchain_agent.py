"""What a program does with an agent of LangChain (`create_agent`) over the Responses API."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent  # type: ignore[import-not-found]  # its pins are not the project's
from langchain_openai import ChatOpenAI
from parts import PICTURE, main  # type: ignore[import-not-found]  # beside it, and in no package
from pydantic import BaseModel


def agent(*tools: Any, **options: Any) -> Any:
    """An agent; address and key of its model come from the environment."""
    return create_agent(ChatOpenAI(model="demo+rate=0", use_responses_api=True, max_retries=0), list(tools), **options)


def asked_for(question: Any, *tools: Any, **options: Any) -> Any:
    """The state of an agent that has answered."""
    return agent(*tools, **options).invoke({"messages": [{"role": "user", "content": question}]})


def answers() -> dict[str, Any]:
    """One question, one answer."""
    return {"text": asked_for("hello [[demo tokens=10]]")["messages"][-1].text}


def streams() -> dict[str, Any]:
    """The same, piece by piece."""
    asked = {"messages": [{"role": "user", "content": "hello [[demo tokens=60 rate=60]]"}]}
    pieces = [piece.text for piece, _ in agent().stream(asked, stream_mode="messages")]
    return {"pieces": [piece for piece in pieces if piece]}


def thinks() -> dict[str, Any]:
    """The thought before an answer."""
    blocks = asked_for("hello [[demo tokens=5 think=5]]")["messages"][-1].content_blocks
    return {"thought": "".join(block.get("reasoning", "") for block in blocks if block["type"] == "reasoning")}


def calls_tools() -> dict[str, Any]:
    """A call of a function, which is made here, and the answer to what it gave."""
    asked = []

    def weather(place: str) -> str:
        """Tell the weather at a place."""
        asked.append(place)
        return f"fine in {place}"

    return {"asked": asked, "text": asked_for("what weather? [[demo calls=1]]", weather)["messages"][-1].text}


class City(BaseModel):
    """What is to be said about a city."""

    name: str
    people: int


def parses() -> dict[str, Any]:
    """An answer in the form of a class."""
    return dict(asked_for("a city [[demo calls=1]]", response_format=City)["structured_response"])


def continues() -> dict[str, Any]:
    """A second turn, with the first one before it."""
    first = asked_for("my name is 翠花 [[demo tokens=5]]")["messages"]
    second = agent().invoke({"messages": [*first, {"role": "user", "content": "what is my name?"}]})["messages"]
    return {"read": [messages[-1].usage_metadata["input_tokens"] for messages in (first, second)]}


def sees_images() -> dict[str, Any]:
    """A question about an image."""
    parts = [{"type": "text", "text": "[[demo echo]]a "}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    return {"text": asked_for(parts)["messages"][-1].text}


def fails() -> None:
    """A model that breaks down."""
    asked_for("hello [[demo error=5]]")


if __name__ == "__main__":
    main(globals())

"""What a program does with LangChain's `ChatOpenAI(use_responses_api=True)`.

Prints one JSON object: for each part below what it saw, or the traceback with which it ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


def chat(**options: Any) -> ChatOpenAI:
    """The model; its address and key come from the environment."""
    return ChatOpenAI(**{"model": "demo+rate=0", "use_responses_api": True, **options})


def invokes() -> dict[str, Any]:
    """One question, one answer."""
    answer = chat().invoke("hello [[demo tokens=10]]")
    return described(answer)


def described(answer: AIMessage) -> dict[str, Any]:
    """Id, status, text and usage of an answer."""
    status, usage = answer.response_metadata.get("status"), answer.usage_metadata
    return {"id": answer.id, "status": status, "text": answer.text, "usage": usage}


def note_rate(model: ChatOpenAI, asked: LanguageModelInput) -> AIMessage:
    """A streamed answer, added up."""
    pieces = list(model.stream(asked))
    return sum(pieces[1:], pieces[0])


def streams() -> dict[str, Any]:
    """The same, piece by piece."""
    pieces = list(chat().stream("hello [[demo tokens=10 rate=100]]"))
    return {"pieces": [piece.text for piece in pieces if piece.text], **described(sum(pieces[1:], pieces[0]))}


def batches() -> dict[str, Any]:
    """Several at once."""
    asked = [f"翠花 {number}" for number in range(5)]
    return {"asked": asked, "answers": [one.text for one in chat().batch([f"{text}[[demo echo]]" for text in asked])]}


def goes_asynchronous() -> dict[str, Any]:
    """The asynchronous halves of `invoke` and `stream`."""
    return asyncio.run(asynchronous())


async def asynchronous() -> dict[str, Any]:
    """What they answer."""
    model = chat()
    answer = await model.ainvoke("翠花[[demo echo]]")
    return {"invoked": answer.text, "streamed": [piece.text async for piece in model.astream("上酸菜[[demo echo]]")]}


def thinks() -> dict[str, Any]:
    """The model's reasoning, in an answer that was awaited and in one that was streamed."""
    question = "think [[demo tokens=5 think=5]]"
    return {"awaited": chat().invoke(question).content, "streamed": note_rate(chat(), question).content}


def remembers() -> dict[str, Any]:
    """Turns on top of each other: the program sends everything that was said, whether streamed or awaited."""
    model, again = chat(), HumanMessage("what is my name?")
    said: list[BaseMessage] = [HumanMessage("my name is 翠花 [[demo tokens=5 think=5]]")]
    first = note_rate(model, said)
    second = model.invoke([*said, first, again])
    third = model.invoke([*said, first, again, second, again])
    return {"answers": [described(answer) for answer in (first, second, third)]}


def continues() -> dict[str, Any]:
    """A second turn of which only the new message is sent: the server remembers the first."""
    model, question = chat(use_previous_response_id=True), HumanMessage("my name is 翠花 [[demo tokens=5 think=5]]")
    first = model.invoke([question])
    second = model.invoke([question, first, HumanMessage("what is my name?")])
    return {"answers": [described(first), described(second)]}


class City(BaseModel):
    """What a model is to say about a city."""

    name: str
    people: int


def parses() -> dict[str, Any]:
    """An answer in the form of a class."""
    return dict(chat().with_structured_output(City).invoke("a city"))


def leaves_early() -> dict[str, Any]:
    """The first chunk of a stream that nobody reads on, and the same of a background job."""
    model, background = chat(), chat(model_kwargs={"background": True})
    return {
        "attached": next(model.stream("leave it [[demo tokens=5000 rate=50]]")).id,
        "background": next(background.stream("leave it to run [[demo tokens=50 rate=100]]")).id,
    }


def asks_in_the_background() -> dict[str, Any]:
    """A background job of which the answer is asked for at once."""
    return described(chat(model_kwargs={"background": True}).invoke("later [[demo tokens=5]]"))


def is_cut_short() -> dict[str, Any]:
    """A text that is longer than it may be."""
    return described(chat(max_completion_tokens=5).invoke("hello [[demo tokens=10]]"))


def fails() -> dict[str, Any]:
    """Jobs that fail in the middle, and what the server refuses."""
    late, pieces = "fail [[demo error=5 rate=100]]", list[str]()
    return {
        "invoked": refusal(lambda: chat().invoke(late)),
        "streamed": refusal(lambda: pieces.extend(piece.text for piece in chat().stream(late))),
        "pieces": pieces,
        "model": refusal(lambda: chat(model="nonsense").invoke("x")),
        "tools": refusal(lambda: chat().bind_tools([{"type": "web_search"}]).invoke("x")),
        "parameter": refusal(lambda: chat(max_completion_tokens=0).invoke("x")),
    }


def refusal(call: Callable[[], object]) -> dict[str, Any]:
    """Classes and words of the error that a call raises, and OpenAI's code and parameter if it has them."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - which one it is, is what the test asks
        named = {name: getattr(error, name, None) for name in ("code", "param")}
        return {"classes": [one.__name__ for one in type(error).__mro__], "words": str(error), **named}
    return {"classes": []}


PARTS = (
    *(invokes, streams, batches, goes_asynchronous, thinks, remembers, continues, parses, leaves_early),
    *(asks_in_the_background, is_cut_short, fails),
)


def main() -> None:
    """Run all parts."""
    seen: dict[str, Any] = {}
    for part in PARTS:
        try:
            seen[part.__name__] = part()
        except Exception:  # noqa: BLE001 - the other parts are to be seen all the same
            seen[part.__name__] = traceback.format_exc()
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()

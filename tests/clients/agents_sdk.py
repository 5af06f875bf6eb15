"""What a program does with the Agents SDK (`openai-agents`) and a model behind Penstock.

Prints one JSON object: for each part below what it saw, or the traceback with which it ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

import openai
from agents import (  # type: ignore[import-not-found]  # its pins are not the project's
    Agent,
    ModelSettings,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    WebSearchTool,
    function_tool,
    set_tracing_disabled,
)
from pydantic import BaseModel


def writer(**options: Any) -> Agent:
    """An agent; the client of its model takes address and key from the environment."""
    model = OpenAIResponsesModel(model="demo+rate=0", openai_client=openai.AsyncOpenAI())
    return Agent(name="Writer", instructions="Be brief.", model=model, **options)


def runs() -> dict[str, Any]:
    """One question, one answer."""
    result = Runner.run_sync(writer(), "hello [[demo tokens=10 think=5]]")
    return {"id": result.last_response_id, "text": result.final_output, "items": [one.type for one in result.new_items]}


def streams() -> dict[str, Any]:
    """The same, piece by piece."""
    return asyncio.run(streamed())


async def streamed() -> dict[str, Any]:
    """The pieces, and what the SDK makes of them."""
    result = Runner.run_streamed(writer(), "hello [[demo tokens=60 rate=60 think=5]]")
    raw = [event.data async for event in result.stream_events() if event.type == "raw_response_event"]
    pieces = [event.delta for event in raw if event.type == "response.output_text.delta"]
    return {"pieces": pieces, "text": result.final_output, "items": [one.type for one in result.new_items]}


def sends_everything() -> dict[str, Any]:
    """A second turn that sends the first one's input and output back, reasoning and all."""
    first = Runner.run_sync(writer(), "my name is 翠花 [[demo tokens=5 think=5]]")
    said = [*first.to_input_list(), {"role": "user", "content": "what is my name?"}]
    return turns(first, Runner.run_sync(writer(), said))


def turns(first: Any, second: Any) -> dict[str, Any]:
    """The responses of two turns, and how much the model read in each."""
    responses = [result.raw_responses[-1] for result in (first, second)]
    return {
        "ids": [response.response_id for response in responses],
        "read": [response.usage.input_tokens for response in responses],
    }


def keeps_a_session() -> dict[str, Any]:
    """Two turns in a session, which sends everything as well."""
    session = SQLiteSession("one")
    asked = ("my name is 翠花 [[demo tokens=5 think=5]]", "what is my name?")
    return turns(*[Runner.run_sync(writer(), text, session=session) for text in asked])


def names_the_previous() -> dict[str, Any]:
    """A second turn that sends only what is new: the server remembers the first."""
    first = Runner.run_sync(writer(), "my name is 翠花 [[demo tokens=5 think=5]]")
    previous = first.last_response_id
    return turns(first, Runner.run_sync(writer(), "what is my name?", previous_response_id=previous))


class City(BaseModel):
    """What an agent is to say about a city."""

    name: str
    people: int


def parses() -> dict[str, Any]:
    """An answer in the form of a class."""
    return dict(Runner.run_sync(writer(output_type=City), "a city").final_output)


def calls_tools() -> dict[str, Any]:
    """An agent whose two calls of a function are made here."""
    asked = []

    def weather(place: str) -> str:
        """Tell the weather at a place."""
        asked.append(place)
        return f"fine in {place}"

    result = Runner.run_sync(writer(tools=[function_tool(weather)]), "what weather? [[demo calls=2]]")
    return {"asked": asked, "text": result.final_output, "turns": len(result.raw_responses)}


def hands_over() -> dict[str, Any]:
    """An agent that hands its conversation over to another."""
    other = writer()
    other.name = "Other"
    result = Runner.run_sync(writer(handoffs=[other]), "hand over [[demo calls=1]]")
    return {"last": result.last_agent.name, "text": result.final_output}


def fails() -> dict[str, Any]:
    """A job that fails in the middle, and what the server refuses."""
    hot, armed = writer(model_settings=ModelSettings(temperature=9)), writer(tools=[WebSearchTool()])
    return {
        "failed": refusal(lambda: Runner.run_sync(writer(), "fail [[demo error=5]]")),
        "temperature": refusal(lambda: Runner.run_sync(hot, "x")),
        "tools": refusal(lambda: Runner.run_sync(armed, "x")),
    }


def refusal(call: Callable[[], object]) -> list[Any]:
    """Class, words and parameter of the error that a call raises."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - which one it is, is what the test asks
        return [type(error).__name__, str(error), getattr(error, "param", None)]
    return ["nothing was raised"]


PARTS = (runs, streams, sends_everything, keeps_a_session, names_the_previous, parses, calls_tools, hands_over, fails)


def main() -> None:
    """Run all parts."""
    set_tracing_disabled(disabled=True)  # else the SDK reports every run to OpenAI
    seen: dict[str, Any] = {}
    for part in PARTS:
        try:
            seen[part.__name__] = part()
        except Exception:  # noqa: BLE001 - the other parts are to be seen all the same
            seen[part.__name__] = traceback.format_exc()
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()

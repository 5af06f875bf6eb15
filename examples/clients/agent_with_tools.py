"""An agent of OpenAI's Agents SDK that calls a function of yours. `pip install openai-agents`.

    export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=sk-penstock-...
    python agent_with_tools.py "What is the weather in Paris?"

Penstock keeps each turn as a job; the function runs here.
"""

from __future__ import annotations

import asyncio
import sys

from agents import Agent, Runner, function_tool, set_tracing_disabled  # type: ignore[import-not-found]
from openai.types.responses import ResponseTextDeltaEvent


@function_tool  # type: ignore[untyped-decorator]
def weather(city: str) -> str:
    """Tell the weather in a city."""
    print(f"(weather was asked for {city})", flush=True)
    return f"It is sunny in {city}."


async def main(question: str, model: str) -> None:
    """Print the answer while it is written."""
    set_tracing_disabled(disabled=True)  # traces would go to OpenAI
    agent = Agent(name="Forecaster", instructions="Answer briefly.", model=model, tools=[weather])
    async for event in Runner.run_streamed(agent, question).stream_events():
        if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent):
            print(event.data.delta, end="", flush=True)
    print()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "demo"))

"""An agent of LangChain that calls a function of yours. `pip install langchain langchain-openai`.

    export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=sk-penstock-...
    python langchain_agent.py "What is the weather in Paris?"

Penstock keeps each turn as a job; the function runs here.
"""

from __future__ import annotations

import sys

from langchain.agents import create_agent  # type: ignore[import-not-found]
from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI


def weather(city: str) -> str:
    """Tell the weather in a city."""
    print(f"(weather was asked for {city})", flush=True)
    return f"It is sunny in {city}."


def main(question: str, model: str) -> None:
    """Print the answer while it is written."""
    agent = create_agent(ChatOpenAI(model=model, use_responses_api=True), [weather])
    asked = {"messages": [{"role": "user", "content": question}]}
    for message, _ in agent.stream(asked, stream_mode="messages"):
        if isinstance(message, AIMessageChunk):
            print(message.text, end="", flush=True)
    print()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "demo")

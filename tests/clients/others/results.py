"""What other clients than OpenAI's own saw, and the table of it in docs/clients.md.

`python -m tests.clients.others.results` runs each in an environment of its own, and writes the table.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.others.parts import FEATURES
from tests.support import environments
from tests.support.environments import PINS, Environment, Parts
from tests.support.stack import running_stack
from tests.support.up import ROOT

DOCUMENT = ROOT / "docs" / "clients.md"
# Those of the first table.
_ROWS = re.compile(r"(?<=\|---\|\n)(\|.*\n)+")
_MARKS = {True: "yes", False: "**no**", None: "-"}


@dataclass(frozen=True)
class Client:
    """A client: what its row begins with, its script, its pins, and the package whose version counts."""

    title: str
    script: str
    pins: str
    package: str

    def version(self) -> str:
        """The version that is pinned."""
        pins = (PINS / self.pins).read_text(encoding="utf-8")
        if self.pins.endswith(".json"):
            return str(json.loads(pins)["dependencies"][self.package])
        found = re.search(rf"^{re.escape(self.package)}==(.*)$", pins, re.MULTILINE)
        assert found, self.package
        return found[1]

    def environment(self) -> Environment:
        """Where it is installed; skips the test when that cannot be."""
        name, _, kind = self.pins.rpartition(".")
        return environments.node(name) if kind == "json" else environments.python(name)

    def seen(self, url: str) -> Parts:
        """What it sees of the server at `url`."""
        return self.environment().parts(f"others/{self.script}", url)


CLIENTS = {
    client.pins.rpartition(".")[0]: client
    for client in (
        Client("AI SDK 7 (`generateText`, `streamText`)", "ai_sdk.mjs", "ai-sdk-7.json", "ai"),
        Client("AI SDK 6", "ai_sdk.mjs", "ai-sdk-6.json", "ai"),
        Client("pydantic-ai (`OpenAIResponsesModel`)", "pydantic_ai_agent.py", "pydantic-ai.txt", "pydantic-ai-slim"),
        Client("LangChain agents (`create_agent`)", "langchain_agent.py", "langchain-agent.txt", "langchain"),
        Client("LiteLLM (`completion`, `responses`)", "litellm_completion.py", "litellm.txt", "litellm"),
        Client("`llm`", "llm_model.py", "llm.txt", "llm"),
        Client("DSPy", "dspy_program.py", "dspy.txt", "dspy"),
        Client("instructor", "instructor_client.py", "instructor.txt", "instructor"),
    )
}

# Of each feature, whether what a client saw of it is as it should be.
_WORKS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "answers": lambda part: part["text"].startswith("*(Written by the offline demo model.)*"),
    "streams": lambda part: len(part["pieces"]) > 1,
    "thinks": lambda part: bool(part["thought"]),
    "calls_tools": lambda part: len(part["asked"]) == 1 and bool(part["text"]),
    "parses": lambda part: isinstance(part["name"], str) and isinstance(part["people"], int),
    "continues": lambda part: part["read"][0] < part["read"][1],
    "sees_images": lambda part: "[image/png, 67 bytes]" in part["text"],
    "fails": lambda part: "the model ran out of memory" in part["words"],
}


def verdicts(seen: Parts) -> dict[str, bool | None]:
    """Whether each feature works for a client; None for one that it does not have."""
    return {name: _WORKS[name](seen[name]) if name in seen else None for name in FEATURES}


def row(client: Client, seen: Parts) -> str:
    """The line of a client in the table."""
    return f"| {client.title} | {client.version()} | {' | '.join(_MARKS[it] for it in verdicts(seen).values())} |\n"


def rows_of_the_document() -> list[str]:
    """The lines of the table as it stands."""
    found = _ROWS.search(DOCUMENT.read_text(encoding="utf-8"))
    assert found, "the document has no table"
    return found[0].splitlines(keepends=True)


def main() -> None:
    """Run all clients, and write the table."""
    with running_stack(Path(tempfile.mkdtemp()) / "data") as penstock:
        rows = [row(client, client.seen(penstock.url)) for client in CLIENTS.values()]
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(_ROWS.sub(lambda _: "".join(rows), text, count=1), encoding="utf-8")


if __name__ == "__main__":
    main()

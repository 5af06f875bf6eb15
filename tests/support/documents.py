"""The fenced blocks of the documents, which tests run or compare."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.support.up import ROOT

PLACES = ("README.md", "SECURITY.md", "CONTRIBUTING.md", "docs/*.md", "ops/*.md")
# What is made from the code has no examples of its own.
DOCUMENTS = sorted(path for place in PLACES for path in ROOT.glob(place) if path.name != "commands.md")

BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One block: where it stands, what it is written in, and what it says."""

    document: str
    line: int
    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its lines, those that go on at the next one joined."""
        return [line.strip() for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """All blocks in these languages."""
    found = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            if match[2] in languages:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(str(path.relative_to(ROOT)), line, match[2], match[3]))
    return found

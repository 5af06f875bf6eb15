"""A model server that replies to each prompt as a test wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.support.raw_server import RawServer, Reply


class Scripted:
    """Replies by the last user message, each prompt's in turn and its last one again and again.

    A prompt is given whole, or as words that are in it and in none of the others, with ` & ` between.
    """

    def __init__(self) -> None:
        self.replies: dict[str, Sequence[Reply]] = {}
        self.requests: Counter[str] = Counter()
        self.server = RawServer(self.reply)

    def reply(self, body: dict[str, Any]) -> Reply:
        content = body["messages"][-1]["content"]
        parts = (name for name in self.replies if " & " in name and all(word in content for word in name.split(" & ")))
        prompt = content if content in self.replies else next(parts)
        replies = self.replies[prompt]
        self.requests[prompt] += 1
        return replies[min(self.requests[prompt], len(replies)) - 1]

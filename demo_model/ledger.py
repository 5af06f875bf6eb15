"""Counts requests by prompt and remembers when what happened to them, so that tests can wait for causes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

EVENTS = ("request", "headers", "first_token", "stalled", "closed_by_client", "finished", "failed")
ENDS = ("closed_by_client", "finished", "failed")
KEPT_EVENTS = 1000


class Prompt:
    """What happened to the requests with one prompt; times are seconds of the system's monotonic clock."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {event: [] for event in EVENTS}
        self.tokens = 0

    def view(self) -> dict[str, int]:
        """The counts, for JSON: every request is open or has ended in one of three ways."""
        ended = {event: len(self.times[event]) for event in ENDS}
        requests = len(self.times["request"])
        return {"requests": requests, "open": requests - sum(ended.values()), **ended, "tokens": self.tokens}


class Ledger:
    """All prompts since the start or the last reset."""

    def __init__(self) -> None:
        self.prompts: dict[str, Prompt] = {}
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)
        self._changed = asyncio.Event()

    def note(self, key: str, event: str) -> Prompt:
        """Record that one of EVENTS happened now to a request with the prompt `key`."""
        at = time.monotonic()
        prompt = self.prompts.setdefault(key, Prompt())
        prompt.times[event].append(at)
        self._events.append({"at": at, "event": event, "key": key})
        self._changed.set()
        self._changed = asyncio.Event()
        return prompt

    def view(self) -> dict[str, Any]:
        """Everything, for JSON."""
        prompts = {key: prompt.view() for key, prompt in self.prompts.items()}
        total = {name: sum(view[name] for view in prompts.values()) for name in Prompt().view()}
        return {**total, "prompts": prompts, "events": list(self._events)}

    async def wait(self, key: str, event: str, count: int) -> dict[str, Any]:
        """The `count`th such event of the prompt `key`, as soon as it has happened."""
        while key not in self.prompts or len(self.prompts[key].times[event]) < count:
            await self._changed.wait()
        return {"at": self.prompts[key].times[event][count - 1], "event": event, "key": key}

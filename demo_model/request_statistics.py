"""Counts requests by prompt and remembers when what happened to them, so that tests can wait for causes."""

from __future__ import annotations

import asyncio
import time

EVENTS = ("request", "headers", "first_token", "stalled", "closed_by_client", "finished", "failed")
ENDS = ("closed_by_client", "finished", "failed")


class RequestStatistics:
    """What happened to the requests with one prompt; times are seconds of the system's monotonic clock."""

    def __init__(self) -> None:
        self.tokens = 0
        self._times: dict[str, list[float]] = {event: [] for event in EVENTS}
        self._changed = asyncio.Event()

    def note(self, event: str) -> int:
        """Record that one of EVENTS happened now; how often it has."""
        self._times[event].append(time.monotonic())
        self._changed.set()
        self._changed = asyncio.Event()
        return len(self._times[event])

    async def wait(self, event: str, count: int) -> float:
        """The time of the `count`th such event, as soon as it has happened."""
        while len(self._times[event]) < count:
            await self._changed.wait()
        return self._times[event][count - 1]

    def view(self) -> dict[str, int]:
        """The counts, for JSON: every request is open or has ended in one of three ways."""
        ended = {event: len(self._times[event]) for event in ENDS}
        requests = len(self._times["request"])
        return {"requests": requests, "open": requests - sum(ended.values()), **ended, "tokens": self.tokens}

"""The pace of a job over its whole life, in little room: how much its model said in each slot of time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

_SLOTS = 60


class RateHistogram:
    """Characters by slot. When there are too many slots each two become one, twice as wide."""

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        """A new one with slots of a second, or one that goes on with what was `stored` of another."""
        self._seconds: int = stored["slot_seconds"] if stored else 1
        self._characters: list[int] = list(stored["characters"]) if stored else []
        self._lock = threading.Lock()

    def add(self, characters: int, at: float) -> None:
        """So many characters came `at` this moment, in seconds since the curve begins."""
        with self._lock:
            slot = max(0, int(at / self._seconds))
            while slot >= _SLOTS:
                before = self._characters
                self._characters = [sum(before[begin : begin + 2]) for begin in range(0, len(before), 2)]
                self._seconds *= 2
                slot //= 2
            self._characters += [0] * (slot + 1 - len(self._characters))
            self._characters[slot] += characters

    def to_wire(self) -> dict[str, Any]:
        """The curve as a response carries it."""
        with self._lock:
            return {"slot_seconds": self._seconds, "characters": list(self._characters)}

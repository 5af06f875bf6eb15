"""A cache of what was rendered, bounded in bytes: the least recently used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class LruCache(Generic[T]):
    """Values by key, of which the least recently used are dropped."""

    def __init__(self, limit: int, size: Callable[[T], int]) -> None:
        """`size` tells how many bytes a thing takes, `limit` how many all may take."""
        self._limit, self._size = limit, size
        self._kept: OrderedDict[str, T] = OrderedDict()
        self._total = 0
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}

    def get(self, key: str, make: Callable[[], T]) -> T:
        """What is kept under a key, or made now: once, however many ask for it meanwhile."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                known = self._kept.get(key)
            try:
                return self._keep(key, make()) if known is None else known
            finally:
                with self._lock:
                    self._turns.pop(key, None)

    def _keep(self, key: str, made: T) -> T:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._total += self._size(made)
            # The newest stays, however large: it would be made again at each look.
            while self._total > self._limit and len(self._kept) > 1:
                self._total -= self._size(self._kept.popitem(last=False)[1])
        return made

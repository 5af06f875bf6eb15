"""What many ask for at once is read once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Reads:
    """Those of one key: how many have begun, and the newest that has an answer."""

    __slots__ = ("answered", "begun", "lock", "users", "value")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = self.begun = self.answered = 0
        self.value: Any = None


class SharedReads(Generic[K, V]):
    """Whoever asks while a read is under way waits for the next one, which all share who have asked by then.

    So nobody is told what was so before it asked, and nothing is kept when nobody asks.
    """

    def __init__(self, read: Callable[[K], V]) -> None:
        self._read = read
        self._reads: dict[K, _Reads] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V:
        """What `read` says of `key`, of a call that begins after this one. What it raises is for its caller alone."""
        with self._lock:
            reads = self._reads.setdefault(key, _Reads())
            reads.users += 1
            before = reads.begun
        try:
            with reads.lock:
                if reads.answered <= before:
                    reads.begun += 1
                    reads.value = self._read(key)
                    reads.answered = reads.begun
                value: V = reads.value
                return value
        finally:
            with self._lock:
                reads.users -= 1
                if not reads.users:
                    del self._reads[key]

"""Long computations in threads of the system, so that the event loop goes on with the other requests meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from gevent.threadpool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")


class NativeThreads:
    """A bounded pool of threads. The interpreter takes turns between them and the event loop, every millisecond."""

    def __init__(self, size: int) -> None:
        """`size` is how many computations run at once; what comes then waits, and only its own request with it."""
        self._pool = ThreadPool(size)

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function returns or raises. It must not use Flask's context: that stays in its own greenlet."""
        result: T = self._pool.apply(function, args, kwargs)
        return result

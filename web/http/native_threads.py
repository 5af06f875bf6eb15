"""Long computations in threads of the system, so that the event loop goes on with the other requests meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar, cast

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
        result, error = self._pool.apply(_outcome, (partial(function, *args, **kwargs),))
        if error is not None:
            raise error
        return cast("T", result)


def _outcome(function: Callable[[], T]) -> tuple[T | None, Exception | None]:
    # An error that gevent sees in a thread it prints, and where that fails, on a full disk, it wakes nobody.
    try:
        return function(), None
    except Exception as error:  # noqa: BLE001  (raised again where it was called from)
        return None, error

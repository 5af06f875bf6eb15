"""Calls whose answer may be lost, or which are never made: the network between an attempt, its row and its log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import redis
from sqlalchemy.exc import OperationalError

from jobs.transport.event_log import Append, AppendResult, AppendStatus

# What becomes of a call: it is done and answered, done but its answer is lost, or not done.
FATES = ("done", "done", "done", "unheard", "away")


class FatedRows:
    """An AttemptStore whose next call has a fate; whoever depends on a call makes it again."""

    def __init__(self, rows: Any, before_call: Callable[[], None]) -> None:
        """`before_call` is called before each call: something else may happen at that moment."""
        self._rows = rows
        self._before_call = before_call
        self.fate = "done"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *given: self._call(getattr(self._rows, name), *given)

    def _call(self, call: Callable[..., Any], *given: Any) -> Any:
        self._before_call()
        fate, self.fate = self.fate, "done"
        error = OperationalError("", {}, Exception("server closed the connection unexpectedly"))
        if fate == "away":
            raise error
        result = call(*given)
        if fate == "unheard":
            raise error
        return result


class FatedLog:
    """An EventLog over a network whose calls have a fate until it is set anew."""

    def __init__(self, log: Any, before_call: Callable[[], None]) -> None:
        """`before_call` is called before each call: something else may happen at that moment."""
        self._log = log
        self._before_call = before_call
        self.fate = "done"

    def append(self, batches: Sequence[Append]) -> list[AppendResult]:
        self._before_call()
        failed = [AppendResult(AppendStatus.FAILED)] * len(batches)
        if self.fate == "away":
            return failed
        results: list[AppendResult] = self._log.append(batches)
        return results if self.fate == "done" else failed

    def read(self, job_id: str, after: int = -1) -> Iterator[list[tuple[int, bytes]]]:
        self._before_call()
        if self.fate == "away":
            raise redis.ConnectionError
        return iter(list(self._log.read(job_id, after)))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *given: self._call(getattr(self._log, name), *given)

    def _call(self, call: Callable[..., Any], *given: Any) -> Any:
        self._before_call()
        if self.fate == "away":
            raise redis.ConnectionError
        result = call(*given)
        if self.fate == "unheard":
            raise redis.ConnectionError
        return result

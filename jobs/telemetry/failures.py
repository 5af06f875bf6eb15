"""Counts the calls to Redis and to the database that fail, whoever makes them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import IntegrityError

Count = Callable[[Exception], None]


def count_redis_failures(client: redis.Redis, count: Count) -> None:
    """Count what a client's calls raise once they are not tried again; before its first call."""
    retry = client.get_retry() or Retry(NoBackoff(), 0)
    client.get_connection_kwargs()["retry"] = _CountingRetry(retry, count)  # not every pool can set it


def count_database_failures(engine: Engine, count: Count) -> None:
    """Count what an engine raises; a row that is there already is an answer, and no failure."""

    @event.listens_for(engine, "handle_error")
    def _(context: ExceptionContext) -> None:
        error = context.sqlalchemy_exception
        if error is not None and not isinstance(error, IntegrityError):
            count(error)


class _CountingRetry(Retry):
    """Tries again as another does, through which every call of a client goes."""

    def __init__(self, retry: Retry, count: Count) -> None:
        super().__init__(retry._backoff, retry._retries, retry._supported_errors)  # noqa: SLF001
        self._count = count

    def __deepcopy__(self, memo: dict[int, Any]) -> _CountingRetry:
        """Each connection gets a copy of the client's, and all of them count together."""
        return _CountingRetry(Retry(deepcopy(self._backoff, memo), self._retries, self._supported_errors), self._count)

    def call_with_retry(self, *arguments: Any, **options: Any) -> Any:
        """Call, and count an error that comes out of it."""
        try:
            return super().call_with_retry(*arguments, **options)
        except redis.exceptions.NoScriptError:
            raise  # the way to ask whether a script has to be sent
        except redis.RedisError as error:
            self._count(error)
            raise

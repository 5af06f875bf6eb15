"""Whether an owner may have one more: asked before a job is stored, and before a stream is opened."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import redis
from flask import g

from jobs.errors import LimitReached
from jobs.limits import OwnerLimits
from jobs.storage.access.budget import DAY_SECONDS, TokenBudget
from jobs.storage.access.owner_limits import LimitRegistry
from jobs.storage.database import Database
from web.limits.counters import OwnerCounters

# Nobody knows when a stream will end.
_STREAM_SECONDS = 5.0


class Admission:
    """The limits that a web process holds; how many jobs may wait is checked where they are stored."""

    def __init__(self, limits: LimitRegistry, budget: TokenBudget, counters: OwnerCounters) -> None:
        self.limits = limits
        self._budget = budget
        self._counters = counters

    def check_create(self, owner: str, *, opens_stream: bool = False) -> None:
        """Count a create, and note on the request what is left. Raises LimitReached."""
        limits = self.limits.of(owner)
        if limits.requests_a_minute:
            self._check_rate(owner, limits.requests_a_minute)
        if limits.tokens_a_day:
            self._check_tokens(owner, limits.tokens_a_day)
        if opens_stream and limits.open_streams and self._counters.open_streams(owner) >= limits.open_streams:
            raise LimitReached("open_streams", limits.open_streams, retry_after=_STREAM_SECONDS)

    def _check_rate(self, owner: str, most: int) -> None:
        minute = self._counters.count_create(owner)
        if minute is None:
            return
        _note_left("requests", most, most - minute.creates, minute.reset)
        if minute.creates > most:
            raise LimitReached("requests_a_minute", most, retry_after=minute.reset)

    def _check_tokens(self, owner: str, most: int) -> None:
        spent = self._budget.spent(owner)
        reset = DAY_SECONDS - time.time() % DAY_SECONDS
        _note_left("tokens", most, most - spent, reset)
        if spent >= most:
            raise LimitReached("tokens_a_day", most, retry_after=reset)

    def open_stream(self, owner: str, *, was_checked: bool) -> Callable[[], None] | None:
        """Count a stream that begins; what is returned has to be called when it is over, None when nothing is counted.

        One for which check_create() was asked is let through. Raises LimitReached.
        """
        most = self.limits.of(owner).open_streams
        if not most:
            return None
        stream, count = self._counters.open_stream(owner)
        if count > most and not was_checked:
            self._counters.close_stream(stream)
            raise LimitReached("open_streams", most, retry_after=_STREAM_SECONDS)
        return lambda: self._counters.close_stream(stream)

    def note_refusal(self, owner: str, body_hash: str) -> None:
        """A create was refused: when the client sends it again, it is not the repetition of an earlier one."""
        self._counters.note_refusal(owner, body_hash)

    def is_retry_of_refusal(self, owner: str, body_hash: str) -> bool:
        """Whether what a client sends again was refused, and not merely left without its answer."""
        return self._counters.take_refusal(owner, body_hash)


def admission(database: Database, client: redis.Redis, default: OwnerLimits) -> Admission:
    """The parts of a web process that hold the limits; begins to renew the leases of its streams."""
    counters = OwnerCounters(client)
    counters.start()
    return Admission(LimitRegistry(database, default), TokenBudget(database), counters)


def _note_left(kind: str, most: int, left: int, reset: float) -> None:
    """Note on the request what its answer says of a limit, as OpenAI says it."""
    headers = g.setdefault("rate_headers", {})
    headers[f"x-ratelimit-limit-{kind}"] = str(most)
    headers[f"x-ratelimit-remaining-{kind}"] = str(max(0, left))
    headers[f"x-ratelimit-reset-{kind}"] = duration(reset)


def duration(seconds: float) -> str:
    """A time as OpenAI's headers say it: 6m0s."""
    whole = math.ceil(seconds)
    hours, minutes = divmod(whole // 60, 60)
    parts = [(hours, "h"), (minutes, "m")] if hours else [(minutes, "m")] if minutes else []
    return "".join(f"{number}{unit}" for number, unit in [*parts, (whole % 60, "s")])

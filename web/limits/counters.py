"""Counters of owners in Redis, for all web processes: creates within a minute, refusals, open streams.

While Redis is away nothing is counted, and nobody is refused.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import redis

from jobs.background import repeat

_MINUTE_MS = 60_000
# A client's own retry comes within so many seconds of the answer that refused it.
_REFUSAL_SECONDS = 120
# After an error of Redis nothing is asked for so long: each call would wait for its time-out.
_AWAY_SECONDS = 5.0
# A web process that dies cannot say that its streams are over: what it has not renewed for so long is.
_LEASE_SECONDS = 20.0
_RENEW_SECONDS = 5.0


class Minute(NamedTuple):
    """The minute that an owner is in: how many creates so far, this one included, and seconds until it is over."""

    creates: int
    reset: float


class OwnerCounters:
    """What owners do at this moment. Call start() once, to keep the streams of this process counted."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._away_until = 0.0
        self._streams: dict[str, str] = {}

    def start(self) -> None:
        """Begin to renew the leases of open streams."""
        repeat("stream leases", self._renew, pause=0)

    def count_create(self, owner: str) -> Minute | None:
        """Count one create more, in a minute that begins with the owner's first; None when it cannot be counted."""
        name = _name(owner, "requests")
        answers = self._ask(lambda pipe: pipe.set(name, 0, px=_MINUTE_MS, nx=True).incr(name).pttl(name))
        return Minute(int(answers[1]), max(0, int(answers[2])) / 1000) if answers else None

    def note_refusal(self, owner: str, body_hash: str) -> None:
        """Remember that a body was refused: the client's retry of it is no repetition of one that was accepted."""
        name = _name(owner, f"refused:{body_hash}")
        self._ask(lambda pipe: pipe.incr(name).expire(name, _REFUSAL_SECONDS))

    def take_refusal(self, owner: str, body_hash: str) -> bool:
        """Whether a retry is that of a refused create; each refusal answers for one retry."""
        name = _name(owner, f"refused:{body_hash}")
        answers = self._ask(lambda pipe: pipe.decr(name))
        if answers and int(answers[0]) < 0:
            self._ask(lambda pipe: pipe.delete(name))
            return False
        return bool(answers)

    def open_streams(self, owner: str) -> int:
        """How many streams the owner has open."""
        name = _name(owner, "streams")
        answers = self._ask(lambda pipe: pipe.zcount(name, self._now(), "+inf"))
        return int(answers[0]) if answers else 0

    def open_stream(self, owner: str) -> tuple[str, int]:
        """Count one stream more, by the id that is returned until it is closed; with it how many there are now."""
        stream = secrets.token_hex(8)
        name = _name(owner, "streams")
        self._streams[stream] = owner

        def commands(pipe: Any) -> None:
            now = self._now()
            pipe.zremrangebyscore(name, "-inf", now).zadd(name, {stream: now + _LEASE_SECONDS}).zcard(name)
            pipe.expire(name, round(2 * _LEASE_SECONDS))

        answers = self._ask(commands)
        return stream, int(answers[2]) if answers else 0

    def close_stream(self, stream: str) -> None:
        """The stream is over."""
        owner = self._streams.pop(stream, None)
        if owner is not None:
            self._ask(partial(_remove, name=_name(owner, "streams"), stream=stream))

    def _renew(self) -> None:
        time.sleep(_RENEW_SECONDS)
        streams = dict(self._streams)
        if not streams:
            return

        def commands(pipe: Any) -> None:
            until = self._now() + _LEASE_SECONDS
            for stream, owner in streams.items():
                pipe.zadd(_name(owner, "streams"), {stream: until})
                pipe.expire(_name(owner, "streams"), round(2 * _LEASE_SECONDS))

        self._ask(commands)
        for stream, owner in streams.items():
            if stream not in self._streams:  # closed meanwhile, and added again
                self._ask(partial(_remove, name=_name(owner, "streams"), stream=stream))

    def _now(self) -> float:
        """Redis's own clock: those of the web processes may differ."""
        seconds, microseconds = self._redis.time()
        return float(seconds) + float(microseconds) / 1e6

    def _ask(self, commands: Callable[[Any], object]) -> list[Any]:
        """The answers to some commands in one round trip; none while Redis is away."""
        if time.monotonic() < self._away_until:
            return []
        try:
            with self._redis.pipeline() as pipe:
                commands(pipe)
                return list(pipe.execute())
        except redis.RedisError:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            return []


def _name(owner: str, what: str) -> str:
    return f"penstock:limits:{{{owner}}}:{what}"


def _remove(pipe: Any, *, name: str, stream: str) -> None:
    pipe.zrem(name, stream)

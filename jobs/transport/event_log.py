"""The event log of a job while it is live: a Redis Stream that remembers, a channel that carries.

One script, append.lua, does every write, so that a log that exists is always a complete prefix of what its writer
holds: an append says how many frames must be there and up to which number, an attempt that a newer one replaced is
refused, a lost log is put back whole. The log is never trimmed: that would break a reader's cursor.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import redis

CONTROL_CHANNEL = "penstock:control"
LIVE_MS = 24 * 3600 * 1000
ENDED_MS = 10 * 60 * 1000
PAGE = 500

SCRIPT = Path(__file__).with_name("append.lua").read_text(encoding="utf-8")

_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class AppendStatus(StrEnum):
    """What became of a write."""

    OK = "ok"
    STALE = "stale"
    LOST = "lost"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Append:
    """One batch of one job: `frames` are numbered from `first` on by one, `held` are in the log before them.

    The last of those is numbered `before`, which may be far below `first`: attempts begin with numbers of their own.
    `ends` gives the log its short life.
    """

    job_id: str
    attempt: int
    held: int
    first: int
    frames: Sequence[bytes]
    ends: bool = False
    before: int = -1


@dataclass(frozen=True, slots=True)
class AppendResult:
    """`tail` is the last number in the log, `listeners` how many processes follow the channel."""

    status: AppendStatus
    tail: int = -1
    listeners: int = 0


class EventLog:
    """Reads and writes the logs of all jobs over one Redis client (`decode_responses` off).

    Every method but `append` raises redis.RedisError when Redis does not answer.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def append(self, batches: Sequence[Append]) -> list[AppendResult]:
        """Write many jobs' batches in one round trip; one answer each, in order.

        Sending a batch again is harmless: numbers that are there are skipped and not published twice. A call
        that failed, or whose answer was lost, is FAILED and is simply sent again.
        """
        calls = [_append_call(batch) for batch in batches]
        try:
            return [_answer(reply) for reply in self._run(calls)]
        except redis.RedisError:
            return [AppendResult(AppendStatus.FAILED) for _ in batches]

    def take(self, job_id: str, attempt: int) -> AppendResult:
        """Make this attempt the only one that may append; the answer's tail is the last number written."""
        return self._run_one(_call(job_id, "take", attempt, LIVE_MS))

    def rebuild(self, job_id: str, attempt: int, pages: Iterable[Sequence[tuple[int, bytes]]]) -> AppendResult:
        """Write a whole log anew from (number, frame) pairs and swap it into place at once.

        Only for an attempt that has taken the fence, and that the database has confirmed since: the log that was
        there is gone. LOST when the fence has been removed meanwhile.
        """
        # A key of its own: another rebuild may be under way, by an attempt that froze, or in bytes that come late.
        new = f"{_keys(job_id)[0]}:new:{secrets.token_hex(4)}"
        for page in pages:
            pipeline = self._redis.pipeline()  # a transaction: a key that is left behind always expires
            for number, frame in page:
                pipeline.xadd(new, {b"f": frame}, id=f"{number}-1")
            pipeline.pexpire(new, 60_000)
            pipeline.execute()
        return self._run_one((*_keys(job_id), new, "swap", attempt, LIVE_MS, channel(job_id)))

    def _run(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run the script once per call in one round trip; a second one if the server did not know it yet."""
        replies: list[Any] = []
        for _ in range(2):
            pipeline = self._redis.pipeline(transaction=False)
            for call in calls:
                pipeline.evalsha(_SHA, 3, *call)
            replies = pipeline.execute(raise_on_error=False)
            if not any(isinstance(reply, redis.exceptions.NoScriptError) for reply in replies):
                break
            self._redis.script_load(SCRIPT)
        return replies

    def _run_one(self, call: tuple[Any, ...]) -> AppendResult:
        reply = self._run([call])[0]
        if isinstance(reply, Exception):
            raise reply
        return _answer(reply)

    def read(self, job_id: str, after: int = -1, count: int = PAGE) -> Iterator[list[tuple[int, bytes]]]:
        """(number, frame) pairs with numbers above `after`, in pages of `count`, up to the log's present end."""
        while page := self._range(job_id, after, count):
            after = page[-1][0]
            yield page
            if len(page) < count:
                return

    def _range(self, job_id: str, after: int, count: int) -> list[tuple[int, bytes]]:
        # Exclusive by the next id, not by "(": a cursor of -1 has no id of its own.
        entries = self._redis.xrange(_keys(job_id)[0], min=f"{after + 1}-1", count=count)
        return [(int(entry_id.split(b"-")[0]), fields[b"f"]) for entry_id, fields in cast(Any, entries)]

    def tails(self, job_ids: Sequence[str]) -> list[int]:
        """The last number of each job's log, -1 where there is none; one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.xrevrange(_keys(job_id)[0], count=1)
        return [int(entries[0][0].split(b"-")[0]) if entries else -1 for entries in pipeline.execute()]

    def server_id(self) -> str:
        """What the Redis server is called until it is started again or replaced; "" if it does not say."""
        try:
            return str(self._redis.info("server").get("run_id", ""))
        except redis.ResponseError:  # fakeredis does not know INFO, and not every user may ask
            return ""

    def last_added(self, job_id: str) -> int:
        """The highest number that was ever in a job's log, also if it has been removed; -1 where there is no log."""
        try:
            stream = self._redis.xinfo_stream(_keys(job_id)[0])
        except redis.ResponseError:  # there is none
            return -1
        return int(stream["last-generated-id"].split(b"-")[0])

    def delete(self, job_id: str) -> None:
        """Forget a deleted job, and tell those who follow it to look again."""
        self._redis.delete(*_keys(job_id))
        self._redis.publish(channel(job_id), b"")

    def call_workers(self, job_id: str) -> None:
        """Tell the workers that something was asked of a job, so that they look before their next beat."""
        self._redis.publish(CONTROL_CHANNEL, job_id)


def channel(job_id: str) -> str:
    """The Pub/Sub channel of a job. The braces are part of the key: all of a job's keys share a slot."""
    return f"penstock:{{{job_id}}}"


def _keys(job_id: str) -> tuple[str, str]:
    return f"{channel(job_id)}:log", f"{channel(job_id)}:fence"


def _call(job_id: str, mode: str, attempt: int, life_ms: int, *rest: Any) -> tuple[Any, ...]:
    log, fence = _keys(job_id)
    return (log, fence, log, mode, attempt, life_ms, channel(job_id), *rest)  # the third key is for `swap` only


def _append_call(batch: Append) -> tuple[Any, ...]:
    life = ENDED_MS if batch.ends else LIVE_MS
    return _call(batch.job_id, "append", batch.attempt, life, batch.held, batch.before, batch.first, *batch.frames)


def _answer(reply: Any) -> AppendResult:
    if isinstance(reply, redis.ResponseError) and "WRONGTYPE" in str(reply):
        return AppendResult(AppendStatus.LOST)  # something else sits on the key: the swap replaces it
    if isinstance(reply, Exception):
        return AppendResult(AppendStatus.FAILED)
    return AppendResult(AppendStatus(reply[0].decode()), int(reply[1]), int(reply[2]))

"""The event log against real Redis servers: verdicts, repeats, losses, lives of keys."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from jobs.protocol import events
from jobs.protocol.ids import new_job_id
from jobs.transport.event_log import ENDED_MS, LIVE_MS, PAGE, Append, AppendResult, AppendStatus, EventLog, channel

MARK = 1000  # where a later attempt's numbers begin


def frames(first: int, count: int, writer: str = "") -> list[bytes]:
    return [events.frame(events.TEXT_DELTA, number, {"delta": writer}) for number in range(first, first + count)]


def batch(job: str, prev: int, count: int, attempt: int = 1, **options: bool) -> Append:
    return Append(job, attempt, prev + 1, prev + 1, frames(prev + 1, count), **options)


def logged(log: EventLog, job: str, after: int = -1) -> list[int]:
    return [number for page in log.read(job, after) for number, _ in page]


@pytest.fixture
def log(redis_client: Any) -> EventLog:
    return EventLog(redis_client)


@pytest.fixture
def job(log: EventLog) -> str:
    """A job with frames 0 to 9 in its log."""
    job = new_job_id()
    assert log.take(job, 1) == AppendResult(AppendStatus.OK, -1)
    assert log.append([batch(job, -1, 10)]) == [AppendResult(AppendStatus.OK, 9)]
    return job


@pytest.fixture
def messages(redis_client: Any, job: str) -> Iterator[functools.partial[Any]]:
    """What is said on the job's channel, one payload a call; None when there is no more."""
    with redis_client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(channel(job))
        pubsub.get_message(timeout=5)
        yield functools.partial(pubsub.get_message, timeout=0.05)


def test_the_verdicts(log: EventLog, job: str, redis_client: Any) -> None:
    assert log.append([batch(job, 9, 1), batch(job, 12, 1)]) == [
        AppendResult(AppendStatus.OK, 10),
        AppendResult(AppendStatus.LOST, 10),
    ]
    assert log.take(job, 3) == AppendResult(AppendStatus.OK, 10)
    assert log.append([batch(job, 10, 1, attempt) for attempt in (2, 4, 3)]) == [
        AppendResult(AppendStatus.STALE, 3),
        AppendResult(AppendStatus.LOST, 10),
        AppendResult(AppendStatus.OK, 11),
    ]
    redis_client.flushall()
    assert log.append([batch(job, 11, 1, 3)]) == [AppendResult(AppendStatus.LOST, -1)]


def test_invariant_4_stale_writes_refused_by_the_log(log: EventLog, job: str, messages: Any) -> None:
    log.take(job, 2)
    for late in (batch(job, 9, 5), batch(job, 9, 1, ends=True)):
        assert log.append([late]) == [AppendResult(AppendStatus.STALE, 2)]
    assert log.take(job, 1).status is AppendStatus.STALE
    assert log.rebuild(job, 1, [[(0, b"x")]]).status is AppendStatus.STALE
    assert logged(log, job) == list(range(10))
    assert messages() is None


def test_repeats_publish_nothing(log: EventLog, job: str, messages: Any) -> None:
    for prev, count in ((9, 2), (9, 2), (5, 4), (9, 4), (-1, 14)):
        assert log.append([batch(job, prev, count)])[0].status is AppendStatus.OK
    for first in (10, 12):
        assert messages()["data"] == b"%d\n" % first + b"".join(frames(first, 2))
    assert messages() is None
    assert logged(log, job) == list(range(14))
    assert log.append([batch(job, 13, 1)]) == [AppendResult(AppendStatus.OK, 14, listeners=1)]


def test_a_rebuilt_log_is_there_at_once(log: EventLog, job: str, messages: Any, redis_client: Any) -> None:
    redis_client.flushall()

    def pages() -> Iterator[list[tuple[int, bytes]]]:
        for first in (0, MARK):
            yield list(enumerate(frames(first, 5), first))
            assert logged(log, job) == []

    log.take(job, 1)
    assert log.rebuild(job, 1, pages()) == AppendResult(AppendStatus.OK, MARK + 4)
    assert logged(log, job) == [*range(5), *range(MARK, MARK + 5)]
    assert messages()["data"] == b""  # look again
    more = Append(job, 1, 10, MARK + 5, frames(MARK + 5, 1))
    assert log.append([more]) == [AppendResult(AppendStatus.OK, MARK + 5, listeners=1)]


def test_invariant_2_one_log_one_order_with_as_many_frames_of_an_older_attempt(log: EventLog, job: str) -> None:
    """Redis went back to what an older attempt had written, with the fence of the one that had replaced that log."""
    log.take(job, 2)
    more = Append(job, 2, 7, MARK + 5, frames(MARK + 5, 1), before=MARK + 4)
    assert log.append([more]) == [AppendResult(AppendStatus.LOST, 9)]
    assert logged(log, job) == [*range(10)]


def test_two_rebuilds_at_once_do_not_mix(log: EventLog, job: str, redis_client: Any) -> None:
    """The older attempt asked the row just before it was replaced, and froze until now."""
    redis_client.flushall()

    def pages() -> Iterator[list[tuple[int, bytes]]]:
        yield list(enumerate(frames(0, 5, "new")))
        log.rebuild(job, 1, [list(enumerate(frames(0, 3, "old")))])
        yield list(enumerate(frames(5, 5, "new"), 5))

    log.take(job, 2)
    answer = log.rebuild(job, 2, pages())
    assert answer == AppendResult(AppendStatus.OK, 9)
    assert [frame for page in log.read(job) for _, frame in page] == frames(0, 10, "new")


def test_one_jobs_trouble_is_not_its_neighbours(log: EventLog, job: str, redis_client: Any) -> None:
    odd, new = new_job_id(), new_job_id()
    redis_client.set(f"{channel(odd)}:log", "not a stream")
    redis_client.script_flush()
    for one in (odd, new):
        log.take(one, 1)
    answers = log.append([batch(odd, -1, 3), batch(job, 9, 1), batch(new, -1, 3)])
    assert answers == [
        AppendResult(AppendStatus.LOST),
        AppendResult(AppendStatus.OK, 10),
        AppendResult(AppendStatus.OK, 2),
    ]
    assert log.rebuild(odd, 1, [[(0, b"a"), (1, b"b")]]) == AppendResult(AppendStatus.OK, 1)
    assert logged(log, odd) == [0, 1]


def test_a_full_server_takes_nothing_then_all(log: EventLog, job: str, redis_client: Any) -> None:
    redis_client.config_set("maxmemory", 1)
    try:
        answers = log.append([batch(job, 9, 3), batch(job, 9, 3)])
        assert answers == [AppendResult(AppendStatus.FAILED)] * 2
        assert logged(log, job) == list(range(10))
    finally:
        redis_client.config_set("maxmemory", 0)
    assert log.append([batch(job, 9, 5)]) == [AppendResult(AppendStatus.OK, 14)]


def test_no_server_is_a_failed_call() -> None:
    with redis.Redis.from_url("unix:///nowhere/redis.sock") as client:
        assert EventLog(client).append([batch("resp_1", -1, 1)] * 2) == [AppendResult(AppendStatus.FAILED)] * 2
        with pytest.raises(redis.ConnectionError):
            EventLog(client).take("resp_1", 1)


def test_every_key_has_a_life(log: EventLog, job: str, redis_client: Any) -> None:
    def lives() -> dict[str, int]:
        keys = redis_client.keys(f"{channel(job)}*")
        return {key.decode().removeprefix(channel(job)): redis_client.pttl(key) for key in keys}

    def interrupted() -> Iterator[list[tuple[int, bytes]]]:
        yield [(0, b"x")]
        raise redis.ConnectionError

    long, short = pytest.approx(LIVE_MS, abs=5000), pytest.approx(ENDED_MS, abs=5000)
    assert lives() == {":log": long, ":fence": long}
    log.append([batch(job, 9, 1, ends=True)])
    assert lives() == {":log": short, ":fence": short}
    redis_client.flushall()
    log.take(job, 2)
    assert lives() == {":fence": long}
    with pytest.raises(redis.ConnectionError):
        log.rebuild(job, 2, interrupted())
    left = {key: life for key, life in lives().items() if key.startswith(":log:new:")}
    assert len(left) == 1
    assert all(0 < life <= 60_000 for life in left.values())
    log.rebuild(job, 2, [[(0, b"x")]])
    assert lives().items() >= {":log": long, ":fence": long}.items()
    assert len(lives()) == 3


def test_a_log_is_read_from_any_cursor_in_pages_until_it_is_deleted(log: EventLog, job: str, redis_client: Any) -> None:
    log.append([batch(job, 9, 2 * PAGE)])
    assert [len(page) for page in log.read(job)] == [PAGE, PAGE, 10]
    assert logged(log, job) == list(range(10 + 2 * PAGE))
    assert logged(log, job, after=2 * PAGE + 7) == [2 * PAGE + 8, 2 * PAGE + 9]
    assert logged(log, job, after=10**9) == logged(log, new_job_id()) == []
    assert log.tails([job, "resp_none"]) == [2 * PAGE + 9, -1]
    log.delete(job)
    assert redis_client.keys(f"{channel(job)}*") == []


def test_a_deleted_jobs_log_is_not_put_back(log: EventLog, job: str, redis_client: Any) -> None:
    """Its attempt has taken the fence and asked the row, and was frozen while the job was deleted."""
    log.take(job, 1)
    log.delete(job)
    assert log.rebuild(job, 1, [[(0, b"x")]]).status is AppendStatus.LOST
    assert log.append([batch(job, -1, 10)]) == [AppendResult(AppendStatus.LOST, -1)]
    assert not redis_client.exists(f"{channel(job)}:log", f"{channel(job)}:fence")


def test_a_log_tells_what_has_been_in_it_and_its_server_who_it_is(log: EventLog, job: str, redis_client: Any) -> None:
    assert log.last_added(job) == 9
    redis_client.xdel(f"{channel(job)}:log", "9-1")
    assert (log.tails([job]), log.last_added(job)) == ([8], 9)
    assert log.last_added(new_job_id()) == -1
    assert log.server_id() == log.server_id()

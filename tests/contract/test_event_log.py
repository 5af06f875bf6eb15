"""The event log against real Redis servers: verdicts, repeats, losses, lives of keys; and that it has no holes.

The last part drives two attempts through any order of late, lost and repeated calls.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from jobs import events
from jobs.event_log import ENDED_MS, LIVE_MS, PAGE, Answer, Append, EventLog, Verdict, channel
from jobs.ids import new_job_id

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
    assert log.append([batch(job, -1, 10, begins=True)]) == [Answer(Verdict.OK, 9)]
    return job


@pytest.fixture
def messages(redis_client: Any, job: str) -> Iterator[functools.partial[Any]]:
    """What is said on the job's channel, one payload a call; None when there is no more."""
    with redis_client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(channel(job))
        pubsub.get_message(timeout=5)
        yield functools.partial(pubsub.get_message, timeout=0.05)


def test_the_verdicts(log: EventLog, job: str, redis_client: Any) -> None:
    assert log.append([batch(job, 9, 1), batch(job, 12, 1)]) == [Answer(Verdict.OK, 10), Answer(Verdict.LOST, 10)]
    assert log.take(job, 3) == Answer(Verdict.OK, 10)
    assert log.append([batch(job, 10, 1, attempt) for attempt in (2, 4, 3)]) == [
        Answer(Verdict.STALE, 3),
        Answer(Verdict.LOST, 10),
        Answer(Verdict.OK, 11),
    ]
    redis_client.flushall()
    assert log.append([batch(job, 11, 1, 3)]) == [Answer(Verdict.LOST, -1)]


def test_invariant_4_stale_writes_refused_by_the_log(log: EventLog, job: str, messages: Any) -> None:
    log.take(job, 2)
    for late in (batch(job, 9, 5), batch(job, 9, 5, begins=True), batch(job, 9, 1, ends=True)):
        assert log.append([late]) == [Answer(Verdict.STALE, 2)]
    assert log.take(job, 1).verdict is Verdict.STALE
    assert log.rebuild(job, 1, [[(0, b"x")]]).verdict is Verdict.STALE
    assert logged(log, job) == list(range(10))
    assert messages() is None


def test_repeats_publish_nothing(log: EventLog, job: str, messages: Any) -> None:
    for prev, count in ((9, 2), (9, 2), (5, 4), (9, 4), (-1, 14)):
        assert log.append([batch(job, prev, count)])[0].verdict is Verdict.OK
    for first in (10, 12):
        assert messages()["data"] == b"%d\n" % first + b"".join(frames(first, 2))
    assert messages() is None
    assert logged(log, job) == list(range(14))
    assert log.append([batch(job, 13, 1)]) == [Answer(Verdict.OK, 14, listeners=1)]


def test_a_rebuilt_log_is_there_at_once(log: EventLog, job: str, messages: Any, redis_client: Any) -> None:
    redis_client.flushall()

    def pages() -> Iterator[list[tuple[int, bytes]]]:
        for first in (0, MARK):
            yield list(enumerate(frames(first, 5), first))
            assert logged(log, job) == []

    assert log.rebuild(job, 1, pages()) == Answer(Verdict.OK, MARK + 4)
    assert logged(log, job) == [*range(5), *range(MARK, MARK + 5)]
    assert messages()["data"] == b""  # look again
    more = Append(job, 1, 10, MARK + 5, frames(MARK + 5, 1))
    assert log.append([more]) == [Answer(Verdict.OK, MARK + 5, listeners=1)]


def test_two_rebuilds_at_once_do_not_mix(log: EventLog, job: str, redis_client: Any) -> None:
    """The older attempt asked the row just before it was replaced, and froze until now."""
    redis_client.flushall()

    def pages() -> Iterator[list[tuple[int, bytes]]]:
        yield list(enumerate(frames(0, 5, "new")))
        log.rebuild(job, 1, [list(enumerate(frames(0, 3, "old")))])
        yield list(enumerate(frames(5, 5, "new"), 5))

    log.take(job, 2)
    answer = log.rebuild(job, 2, pages())
    assert answer == Answer(Verdict.OK, 9)
    assert [frame for page in log.read(job) for _, frame in page] == frames(0, 10, "new")


def test_one_jobs_trouble_is_not_its_neighbours(log: EventLog, job: str, redis_client: Any) -> None:
    odd, new = new_job_id(), new_job_id()
    redis_client.set(f"{channel(odd)}:log", "not a stream")
    redis_client.script_flush()
    answers = log.append([batch(odd, -1, 3, begins=True), batch(job, 9, 1), batch(new, -1, 3, begins=True)])
    assert answers == [Answer(Verdict.LOST), Answer(Verdict.OK, 10), Answer(Verdict.OK, 2)]
    assert log.rebuild(odd, 1, [[(0, b"a"), (1, b"b")]]) == Answer(Verdict.OK, 1)
    assert logged(log, odd) == [0, 1]


def test_a_full_server_takes_nothing_then_all(log: EventLog, job: str, redis_client: Any) -> None:
    redis_client.config_set("maxmemory", 1)
    try:
        answers = log.append([batch(job, 9, 3), batch(new_job_id(), -1, 3, begins=True)])
        assert answers == [Answer(Verdict.FAILED)] * 2
        assert logged(log, job) == list(range(10))
    finally:
        redis_client.config_set("maxmemory", 0)
    assert log.append([batch(job, 9, 5)]) == [Answer(Verdict.OK, 14)]


def test_no_server_is_a_failed_call() -> None:
    with redis.Redis.from_url("unix:///nowhere/redis.sock") as client:
        assert EventLog(client).append([batch("resp_1", -1, 1)] * 2) == [Answer(Verdict.FAILED)] * 2
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


class Writer:
    """One attempt: the frames it holds, how many of them it knows to be in the log, what it does with verdicts."""

    def __init__(self, job: str, attempt: int, first: int, memory: dict[int, bytes], acknowledged: int) -> None:
        self.job, self.attempt, self.next, self.memory = job, attempt, first, memory
        self.acknowledged, self.stopped = acknowledged, False

    def write(self, count: int) -> None:
        for frame in frames(self.next, count, f"by {self.attempt}"):
            self.memory[self.next] = frame
            self.next += 1

    def batch(self, most: int) -> Append | None:
        unsent = [number for number in self.memory if number > self.acknowledged][:most]
        if not unsent or self.stopped:
            return None
        sent, begins = [self.memory[number] for number in unsent], self.acknowledged < 0
        held = sum(number <= self.acknowledged for number in self.memory)
        return Append(self.job, self.attempt, held, unsent[0], sent, begins)

    def hear(self, answer: Answer, log: EventLog, current: int) -> None:
        if answer.verdict is Verdict.OK:
            self.acknowledged = max(self.acknowledged, answer.tail)
        elif answer.verdict is Verdict.LOST and self.attempt == current:
            assert log.rebuild(self.job, self.attempt, [list(self.memory.items())]).verdict is Verdict.OK
            self.acknowledged = max(self.memory)
        else:
            self.stopped = True


class Interleavings(RuleBasedStateMachine):
    """Two attempts at one job, a network that repeats and reorders, a Redis that forgets."""

    def __init__(self, client: Any) -> None:
        super().__init__()
        self.redis, self.log, self.job = client, EventLog(client), new_job_id()
        self.writers = [Writer(self.job, 1, 0, {}, -1)]
        self.calls: list[Append] = []

    @rule(count=st.integers(1, 4), which=st.integers(0, 1))
    def write(self, count: int, which: int) -> None:
        self.writers[which % len(self.writers)].write(count)

    @rule(most=st.integers(1, 5), which=st.integers(0, 1), fate=st.sampled_from(["heard", "unheard", "held back"]))
    def send(self, most: int, which: int, fate: str) -> None:
        writer = self.writers[which % len(self.writers)]
        if (made := writer.batch(most)) is None:
            return
        self.calls.append(made)
        if fate != "held back":
            (answer,) = self.log.append([made])
            if fate == "heard":
                writer.hear(answer, self.log, len(self.writers))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def arrive_late_or_again(self, data: st.DataObject) -> None:
        self.log.append([data.draw(st.sampled_from(self.calls))])

    @precondition(lambda self: len(self.writers) == 1)
    @rule(reached=st.booleans())
    def take_over(self, reached: bool) -> None:
        """The database has given the job to attempt 2; without Redis it starts from frames 0 and 1 of the row."""
        memory = dict(zip(range(2), frames(0, 2, "by 1"), strict=True))
        if reached:
            self.log.take(self.job, 2)
            memory = {number: frame for page in self.log.read(self.job) for number, frame in page} or memory
        self.writers.append(Writer(self.job, 2, MARK, memory, max(memory)))

    @rule(keys=st.sampled_from([("log", "fence"), ("fence",), ()]))
    def forget(self, keys: tuple[str, ...]) -> None:
        self.redis.script_flush()
        self.redis.delete("nothing", *(f"{channel(self.job)}:{key}" for key in keys))

    @rule(kept=st.integers(1, 10))
    def roll_back(self, kept: int) -> None:
        """Redis comes back without the newest entries."""
        key = f"{channel(self.job)}:log"
        entries = self.redis.xrange(key)
        self.redis.delete(key)
        for entry_id, fields in entries[:kept]:
            self.redis.xadd(key, fields, id=entry_id)

    @invariant()
    def a_log_that_exists_is_a_complete_prefix(self) -> None:
        found = [entry for page in self.log.read(self.job) for entry in page]
        fence = int(self.redis.get(f"{channel(self.job)}:fence") or 0)
        owners = [writer for writer in self.writers if fence in (0, writer.attempt)]
        assert any(found == list(owner.memory.items())[: len(found)] for owner in owners)

    def teardown(self) -> None:
        """Whatever happened: once Redis is well, the log becomes all that the owner of the job holds."""
        owner = self.writers[-1]
        owner.write(1)
        while (made := owner.batch(500)) is not None:
            owner.hear(self.log.append([made])[0], self.log, len(self.writers))
        assert [entry for page in self.log.read(self.job) for entry in page] == list(owner.memory.items())


def test_invariant_2_one_log_one_order_whatever_is_late_lost_or_repeated(redis_client: Any) -> None:
    class Machine(Interleavings):
        def __init__(self) -> None:
            super().__init__(redis_client)

    run_state_machine_as_test(Machine, settings=settings(max_examples=100, stateful_step_count=30, deadline=None))

"""Two attempts at one job, a network that loses, repeats and reorders calls, a Redis that forgets: nothing mixes.

The parts are the product's own: rows, writers, publishers, the script in a real Redis, a relay's view. Only
time is the test's: one step at a time, in any order. Where a CI says so, Hypothesis draws the same every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from jobs.protocol import events
from jobs.storage.attempts import Claim
from jobs.transport.event_log import Append, AppendResult, AppendStatus, EventLog, channel
from tests.support.job_factory import JobFactory, frames_of, sqlite
from web.relay.follow import Relay
from web.relay.topic import Topic
from worker.model.cancellation import Cancellation
from worker.model.chunks import Kind
from worker.publishing import publisher
from worker.publishing.publisher import Publisher
from worker.writing import resume
from worker.writing.section import Section

FATES = ("heard", "heard", "heard", "unheard", "held back")

Log = list[tuple[int, bytes]]


class Network(EventLog):
    """The log as one worker reaches it: a call may be lost, or its answer; every call may come again, and late."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(client)
        self.fate = "heard"
        self.calls: list[Sequence[Append]] = []

    def append(self, batches: Sequence[Append]) -> list[AppendResult]:
        self.calls.append(batches)
        answers = [AppendResult(AppendStatus.FAILED)] * len(batches)
        if self.fate == "held back":
            return answers
        results = super().append(batches)
        return results if self.fate == "heard" else answers

    def rebuild(self, job_id: str, attempt: int, pages: Iterable[Sequence[tuple[int, bytes]]]) -> AppendResult:
        answer = super().rebuild(job_id, attempt, pages)
        if self.fate != "heard":
            raise redis.ConnectionError
        return answer


class Attempt:
    """A worker's part in the job: its writer, and a publisher whose every flush is a step of the test."""

    def __init__(self, job_factory: JobFactory, client: redis.Redis, claim: Claim, history: list[bytes]) -> None:
        self.number, self.network, self.replaced = claim.attempt, Network(client), False
        self.publisher = Publisher(self.network)
        self.writer = job_factory.writer(claim, history, self.publisher.wake)
        self.now = 0.0
        self.publisher.add(
            self.writer.buffer, on_replaced=self._stop, is_current=lambda: job_factory.attempts.is_current(claim)
        )
        self.writer.begin()
        self._section = Section(self.writer, 0)

    def write(self, count: int) -> None:
        for number in range(count):
            self._section.write(Kind.TEXT, f"{self.number}.{number} ")
            self.writer.buffer.snapshot()  # makes it an event of its own

    def send(self, fate: str) -> None:
        self.network.fate = fate
        self.now += 10.0  # no pause after a failure lasts so long
        self.publisher.flush(self.now)

    @property
    def memory(self) -> Log:
        return [(events.number_of(frame), frame) for frame in frames_of(self.writer)]

    def _stop(self) -> None:
        self.replaced = True


class Reader:
    """One viewer: the channel's messages, those that arrive, and the log, as the relay looks at them."""

    def __init__(self, client: redis.Redis, job: str, opening: bytes) -> None:
        self.topic, self.seen = Topic(job), list(enumerate(events.split(opening)))
        self._relay = Relay(cast(Any, None), EventLog(client), cast(Any, None))
        self._looked = -1
        self.messages = cast(Any, client).pubsub()
        self.messages.subscribe(channel(job))
        self.hear(arrives=False)

    def hear(self, *, arrives: bool) -> None:
        """All that was said on the channel by now; or the connection breaks, and is made again."""
        self.messages.ping()
        while (message := self.messages.get_message(timeout=5))["type"] != "pong":
            if message["type"] == "message" and arrives:
                self._take(message["data"])
        if not arrives:
            self.topic.request_rescan()

    def _take(self, message: bytes) -> None:
        first, _, frames = message.partition(b"\n")
        if frames:
            self.topic.add(int(first), frames)
        else:
            self.topic.request_rescan()

    def read(self) -> None:
        look, self._looked = self.topic.rescans != self._looked, self.topic.rescans
        for batch in self._relay._news(self.topic, self.seen[-1][0], scan=look):
            self.seen += [(events.number_of(frame), frame) for frame in events.split(batch.frames)]


class Interleavings(RuleBasedStateMachine):
    """One job from its first attempt to the moment when all is well again."""

    def __init__(self, job_factory: JobFactory, client: redis.Redis) -> None:
        super().__init__()
        self.job_factory, self.redis, self.log = job_factory, cast(Any, client), EventLog(client)
        self.claim = job_factory.claim()
        self.job = self.claim.job.id
        self.reader = Reader(client, self.job, self.claim.job.initial_frames)
        self.attempts = [Attempt(job_factory, client, self.claim, [])]
        self.keys = {name: f"{channel(self.job)}:{name}" for name in ("log", "fence")}
        self.saved: list[dict[str, bytes | None]] = []
        self.told: dict[int, bytes] = {}

    # -- what the workers and the network do

    @rule(which=st.integers(0, 1), count=st.integers(0, 3), fate=st.sampled_from(FATES))
    def write(self, which: int, count: int, fate: str) -> None:
        attempt = self.attempts[which % len(self.attempts)]
        attempt.write(count)
        with self._guarded_against(attempt.number):
            attempt.send(fate)
        self.saved.append({name: self.redis.dump(key) for name, key in self.keys.items()})

    @precondition(lambda self: any(attempt.network.calls for attempt in self.attempts))
    @rule(data=st.data())
    def arrive_late_or_again(self, data: st.DataObject) -> None:
        calls = [call for attempt in self.attempts for call in attempt.network.calls]
        call = data.draw(st.sampled_from(calls))
        with self._guarded_against(call[0].attempt):
            self.log.append(call)

    @precondition(lambda self: len(self.attempts) == 1)
    @rule(reached=st.booleans())
    def take_over(self, reached: bool) -> None:
        """The database gives the job to attempt 2; without Redis it begins from the row."""
        claim = self.job_factory.rescue(self.claim)
        history = resume.read_log(claim, self.log, Cancellation()).frames if reached else []
        self.attempts.append(Attempt(self.job_factory, self.redis, claim, history))

    # -- what Redis does

    @rule(lost=st.sampled_from([("log", "fence"), ("log",), ("fence",)]))
    def forget(self, lost: tuple[str, ...]) -> None:
        self.redis.script_flush()
        self.redis.delete(*(self.keys[name] for name in lost))

    @precondition(lambda self: self.saved)
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        """It comes back as it was some time ago."""
        self.redis.delete(*self.keys.values())
        for name, dump in data.draw(st.sampled_from(self.saved)).items():
            if dump is not None:
                self.redis.restore(self.keys[name], 0, dump)

    # -- what the viewer does

    @rule(arrives=st.sampled_from([True, True, False]), reads=st.booleans())
    def look(self, arrives: bool, reads: bool) -> None:
        self.reader.hear(arrives=arrives)
        if reads:
            self.reader.read()

    # -- what always holds

    @invariant()
    def a_log_that_exists_is_a_complete_prefix(self) -> None:
        found, fence = self._logged(), self._fence()
        owners = [attempt for attempt in self.attempts if fence in (0, attempt.number)]
        assert any(found == owner.memory[: len(found)] for owner in owners)

    @invariant()
    def a_number_stands_for_one_event_and_none_comes_twice(self) -> None:
        for number, frame in (*self._logged(), *self.reader.seen):
            assert self.told.setdefault(number, frame) == frame
        numbers = [number for number, _ in self.reader.seen]
        assert numbers == sorted(set(numbers))

    def teardown(self) -> None:
        """Whatever happened: once all is well, the log is what its owner holds, and the viewer has all of it."""
        owner = self.attempts[-1]
        owner.write(1)
        for _ in range(10):  # one may find the log lost, the next puts the rest into it
            owner.send("heard")
        assert not owner.replaced
        assert not owner.writer.buffer.has_work
        assert self._logged() == owner.memory
        self.reader.hear(arrives=False)
        self.reader.read()
        assert set(owner.memory) <= set(self.reader.seen)
        assert len(self.attempts) > 1 or self.reader.seen == owner.memory
        self.reader.messages.close()

    def _fence(self) -> int:
        return int(self.redis.get(self.keys["fence"]) or 0)

    def _logged(self) -> Log:
        return [entry for page in self.log.read(self.job) for entry in page]

    @contextmanager
    def _guarded_against(self, attempt: int) -> Iterator[None]:
        """A replaced attempt changes nothing, unless Redis has gone back to a time before, or knows nothing at all."""
        fence, before = self._fence(), self._logged()
        may = attempt == self.attempts[-1].number or fence == attempt or not (fence or before)
        yield
        assert may or self._logged() == before


@pytest.fixture(scope="session")
def local_rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobFactory]:
    job_factory = JobFactory(sqlite(tmp_path_factory.mktemp("properties")))
    yield job_factory
    job_factory.database.engine.dispose()


@pytest.mark.timeout(600)  # a busy machine needs minutes
def test_invariant_2_one_log_one_order_whatever_is_late_lost_or_repeated(
    redis_client: Any, local_rows: JobFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "UNWATCHED_SECONDS", 0.0)  # nothing is sent later than the test says

    class Machine(Interleavings):
        def __init__(self) -> None:
            super().__init__(local_rows, redis_client)

    run_state_machine_as_test(Machine, settings=settings(max_examples=100, stateful_step_count=50, deadline=None))

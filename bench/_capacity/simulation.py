"""Jobs that arrive, wait, run on workers that die and models that fail: what they wait and what is bought twice."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count

_HOUR = 3600.0


@dataclass(frozen=True)
class Scenario:
    """What happens. Times in seconds unless the name says otherwise."""

    jobs_an_hour: float
    workers: int
    concurrency: int = 100
    hours: float = 24.0
    flex_share: float = 0.0  # of the jobs, those that can wait
    tokens: float = 2_000.0  # the median of an answer
    spread: float = 0.6  # sigma of the logarithm of its length
    tokens_a_second: float = 50.0
    first_token: float = 1.0
    worker_lives_hours: float = math.inf
    lease: float = 15.0  # after which a dead worker's jobs go on
    worker_restart: float = 30.0
    model_fault_share: float = 0.0  # of the calls, those that break off in the middle
    price: float = 0.0  # of a million tokens


@dataclass(slots=True)
class SimulatedJob:
    """One job, and what has become of it."""

    arrived: float
    tier: int
    tokens: float
    first_started: float | None = None
    attempt: int = 0
    started: float = 0.0
    worker: int = -1


class _Kind(IntEnum):
    ARRIVAL = 0
    BREAK = 1  # of the model's answer
    END = 2
    DEATH = 3
    RETURN = 4  # of a worker
    RESCUE = 5


@dataclass
class Outcome:
    """What the day was like."""

    waits: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))  # default, flex
    ended: int = 0
    tokens: float = 0.0
    tokens_again: float = 0.0
    deaths: int = 0
    busy: float = 0.0  # seconds of slots
    most_waiting: int = 0


class Simulation:
    """One run of a scenario; the same seed gives the same run."""

    def __init__(self, scenario: Scenario, seed: int = 1) -> None:
        self._scenario = scenario
        self._random = random.Random(seed)
        self._numbers = count()
        self._events: list[tuple[float, int, _Kind, SimulatedJob | int, int]] = []
        self._waiting: list[tuple[int, float, int, SimulatedJob]] = []
        self._running: list[list[SimulatedJob]] = [[] for _ in range(scenario.workers)]
        self._lives = [True] * scenario.workers
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """From the first arrival until the last job has ended."""
        end = self._scenario.hours * _HOUR
        for arrived in self._arrivals(end):
            self._plan(arrived, _Kind.ARRIVAL, self._new_job(arrived))
        if math.isfinite(self._scenario.worker_lives_hours):
            for worker in range(self._scenario.workers):
                self._plan(self._life(), _Kind.DEATH, worker)
        while self._events:
            now, _, kind, subject, attempt = heapq.heappop(self._events)
            if isinstance(subject, int):
                self._turn(now, kind, subject, ends=now > end)
            else:
                self._happen(now, kind, subject, attempt)
            self._start_waiting(now)
        return self.outcome

    def _arrivals(self, end: float) -> Iterator[float]:
        now = 0.0
        while (now := now + self._random.expovariate(self._scenario.jobs_an_hour / _HOUR)) < end:
            yield now

    def _new_job(self, arrived: float) -> SimulatedJob:
        tokens = self._scenario.tokens * math.exp(self._random.gauss(0, self._scenario.spread))
        return SimulatedJob(arrived, int(self._random.random() < self._scenario.flex_share), tokens)

    def _life(self) -> float:
        return self._random.expovariate(1 / (self._scenario.worker_lives_hours * _HOUR))

    def _plan(self, at: float, kind: _Kind, subject: SimulatedJob | int, attempt: int = 0) -> None:
        heapq.heappush(self._events, (at, next(self._numbers), kind, subject, attempt))

    def _turn(self, now: float, kind: _Kind, worker: int, *, ends: bool) -> None:
        """A worker dies, unless the day is over, or is back."""
        self._lives[worker] = kind is _Kind.RETURN or ends
        if kind is _Kind.RETURN:
            self._plan(now + self._life(), _Kind.DEATH, worker)
        elif not ends:
            self.outcome.deaths += 1
            self._plan(now + self._scenario.worker_restart, _Kind.RETURN, worker)
            for job in self._running[worker]:
                self._stop(now, job)
                self._plan(now + self._scenario.lease, _Kind.RESCUE, job)
            self._running[worker] = []

    def _happen(self, now: float, kind: _Kind, job: SimulatedJob, attempt: int) -> None:
        """Something of a job; of an attempt that a death has ended, nothing."""
        if kind in (_Kind.ARRIVAL, _Kind.RESCUE):
            self._queue(job)
        elif attempt == job.attempt:
            self._running[job.worker].remove(job)
            if kind is _Kind.BREAK:
                self._stop(now, job)
                self._queue(job)
            else:
                self.outcome.ended += 1
                self.outcome.tokens += job.tokens
                self.outcome.busy += now - job.started

    def _stop(self, now: float, job: SimulatedJob) -> None:
        """What was written is bought again: a job of one section has no checkpoint."""
        written = (now - job.started - self._scenario.first_token) * self._scenario.tokens_a_second
        self.outcome.tokens_again += max(0.0, min(written, job.tokens))
        self.outcome.busy += now - job.started
        job.attempt += 1

    def _queue(self, job: SimulatedJob) -> None:
        heapq.heappush(self._waiting, (job.tier, job.arrived, next(self._numbers), job))
        self.outcome.most_waiting = max(self.outcome.most_waiting, len(self._waiting))

    def _start_waiting(self, now: float) -> None:
        while self._waiting and (worker := self._worker_with_room()) is not None:
            job = heapq.heappop(self._waiting)[-1]
            if job.first_started is None:
                job.first_started = now
                self.outcome.waits[job.tier].append(now - job.arrived)
            job.attempt, job.started, job.worker = job.attempt + 1, now, worker
            self._running[worker].append(job)
            duration = self._scenario.first_token + job.tokens / self._scenario.tokens_a_second
            if self._random.random() < self._scenario.model_fault_share:
                self._plan(now + duration * self._random.random(), _Kind.BREAK, job, job.attempt)
            else:
                self._plan(now + duration, _Kind.END, job, job.attempt)

    def _worker_with_room(self) -> int | None:
        living = (worker for worker, lives in enumerate(self._lives) if lives)
        least = min(living, key=lambda worker: len(self._running[worker]), default=None)
        return least if least is not None and len(self._running[least]) < self._scenario.concurrency else None

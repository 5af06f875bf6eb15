"""Everything that may happen to a job, in any order: invariants 1 to 6 hold after each step, and in the end it ends.

`--attempt-runs N` takes N runs instead of those of an ordinary test (with `-o faulthandler_timeout=0` for long ones);
where a CI says so, they are always the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jobs.job import Status
from jobs.settings import Settings
from tests.support.attempt_machine import FATES, Run, World
from tests.support.job_factory import JobFactory, sqlite
from tests.support.redis_server import RedisServer

_ORDINARY_RUNS = 400
_STEPS = 20

fates = st.sampled_from(FATES)


class AttemptMachine(RuleBasedStateMachine):
    """One job from its acceptance to the moment when all is well again."""

    rows: JobFactory
    client: redis.Redis
    settings: Settings

    @initialize(repeats=st.booleans())
    def accept(self, repeats: bool) -> None:
        self.world = World(self.rows, self.client, self.settings, repeats=repeats)

    # -- workers

    @rule(sql=fates, redis_fate=fates)
    def claim(self, sql: str, redis_fate: str) -> None:
        self.world.claim(sql, redis_fate)

    @precondition(lambda self: self.world.runs)
    @rule(which=st.integers(0, 2), count=st.integers(1, 3), fate=fates)
    def write(self, which: int, count: int, fate: str) -> None:
        with self._guarded(which) as run:
            run.write(count)
            run.flush(fate)

    @precondition(lambda self: self.world.runs)
    @rule(which=st.integers(0, 2), sql=fates, fate=fates)
    def finish_section(self, which: int, sql: str, fate: str) -> None:
        with self._guarded(which) as run:
            run.write(3)
            run.attempts.fate = sql
            run.finish_section()
            run.flush(fate)

    @precondition(lambda self: self.world.runs)
    @rule(which=st.integers(0, 2), sql=fates, fate=fates, fails=st.booleans())
    def end(self, which: int, sql: str, fate: str, fails: bool) -> None:
        with self._guarded(which) as run:
            if run.is_complete:
                self.world.completed_by_model = True
            elif not fails:
                return
            run.attempts.fate = sql
            run.end(Status.COMPLETED if run.is_complete else Status.FAILED)
            run.flush(fate)

    @precondition(lambda self: self.world.runs)
    @rule(which=st.integers(0, 2), sql=fates)
    def notice(self, which: int, sql: str) -> None:
        with self._guarded(which) as run:
            run.attempts.fate = sql
            run.notice()

    @precondition(lambda self: self.world.runs)
    @rule(which=st.integers(0, 2), sql=fates)
    def drain(self, which: int, sql: str) -> None:
        with self._guarded(which) as run:
            run.attempts.fate = sql
            run.drain()

    @precondition(lambda self: self.world.runs)
    @rule(dies=st.booleans())
    def rescue(self, dies: bool) -> None:
        if dies:
            self.world.runs.pop()
        self.world.rescue()

    # -- web and Redis

    @rule()
    def cancel(self) -> None:
        self.world.cancel()

    @precondition(lambda self: not self.world.is_deleted)
    @rule(sure=st.sampled_from([False, False, False, True]))
    def delete(self, sure: bool) -> None:
        if sure:
            self.world.delete()

    @rule(names=st.sampled_from([("log", "fence"), ("log",), ("fence",)]))
    def lose(self, names: tuple[str, ...]) -> None:
        self.world.lose(*names)

    @rule()
    def save(self) -> None:
        self.world.save_redis()

    # A deleted job's text does come back with an old state of Redis, until its log expires.
    @precondition(lambda self: self.world.saved and not self.world.is_deleted)
    @rule(which=st.integers(0, 5))
    def roll_back(self, which: int) -> None:
        self.world.roll_back_redis(which % len(self.world.saved))

    # -- what holds

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        """All is well again: workers that were replaced notice it, and the job ends within a few claims."""
        if not hasattr(self, "world"):
            return
        world = self.world
        for _ in range(self.settings.max_attempts + 4):
            for run in world.runs:
                run.attempts.fate = "done"
                run.notice()
                self._finish(run)
            world.rescue()
            world.claim("done", "done")
            world.check()
        row = world.row()
        assert world.is_deleted or row is not None, "invariant 1: an accepted job is gone"
        if row is None:
            world.check_deleted_leaves_nothing()
        else:
            assert Status(row["status"]).is_terminal, "invariant 1: a job does not end"

    def _finish(self, run: Run) -> None:
        while not run.is_over and not run.is_complete:
            run.write(3)
            run.finish_section()
        if not run.is_over:
            self.world.completed_by_model = True
            run.end(Status.COMPLETED)
        for _ in range(3):
            run.flush("done")

    def _guarded(self, which: int) -> Any:
        run = self.world.runs[which % len(self.world.runs)]
        return _Guarded(self.world, run)


class _Guarded:
    """A step of one run, after which a replaced one has changed nothing."""

    def __init__(self, world: World, run: Run) -> None:
        self._run = run
        self._guard = world.guarded(run)

    def __enter__(self) -> Run:
        self._guard.__enter__()
        return self._run

    def __exit__(self, *details: Any) -> None:
        self._guard.__exit__(*details)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[JobFactory, redis.Redis]]:
    """A database and a Redis of this test's own, in memory where the machine has such a directory."""
    directory = tmp_path_factory.mktemp("attempts")
    rows = JobFactory(sqlite(directory))
    with RedisServer(directory) as server, redis.Redis.from_url(server.url) as client:
        yield rows, client
    rows.database.engine.dispose()


@pytest.mark.timeout(0)  # as long as the runs that are asked for take
def test_invariants_1_to_6_hold_whatever_happens(
    parts: tuple[JobFactory, redis.Redis],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr("jobs.storage.database.RETRY_SECONDS", 0.0)
    monkeypatch.setattr("worker.writing.resume.PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("worker.writing.leaving._FLUSH_SECONDS", 0.0)

    class Machine(AttemptMachine):
        rows, client = parts
        settings = Settings.load(data=tmp_path)

    runs = int(request.config.getoption("--attempt-runs") or _ORDINARY_RUNS)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=runs, stateful_step_count=_STEPS, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

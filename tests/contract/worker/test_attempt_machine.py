"""Everything that may happen to a job, in any order: invariants 1 to 6 hold after each step, and in the end it ends.

Thousands of programs run on a row and a log in memory, some of them also on a real database and a real Redis, which
have to do the same step by step. `--attempt-runs N` takes N programs, of other seeds (with `-o faulthandler_timeout=0`
for long ones); where a CI says so, the ordinary ones are always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from jobs.job import Job
from jobs.protocol import events
from jobs.settings import Settings
from tests.support.attempts.memory import MemoryStorage
from tests.support.attempts.program import BYTES, run
from tests.support.attempts.storage import RealStorage, Storage
from tests.support.attempts.world import World
from tests.support.job_factory import JobFactory, sqlite
from tests.support.redis_server import RedisServer

_ORDINARY_RUNS = 10_000
_REAL_RUNS = 100
_RUNS_OF_A_SEED = 10_000
_FIRST_SEED = 20261127

programs = st.binary(min_size=BYTES, max_size=BYTES)


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobFactory]:
    """The jobs of a database of this test's own."""
    jobs = JobFactory(sqlite(tmp_path_factory.mktemp("attempts")))
    yield jobs
    jobs.database.engine.dispose()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Ordinary settings; nobody waits for what comes at the next step."""
    monkeypatch.setattr("jobs.storage.database.RETRY_SECONDS", 0.0)
    monkeypatch.setattr("worker.writing.resume.PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("worker.writing.leaving._FLUSH_SECONDS", 0.0)
    return Settings.load(data=tmp_path)


@pytest.mark.timeout(0)  # as long as the runs that are asked for take
def test_invariants_1_to_6_hold_whatever_happens(
    factory: JobFactory, settings: Settings, request: pytest.FixtureRequest
) -> None:
    job = factory.accept()
    more = int(request.config.getoption("--attempt-runs") or 0)
    if not more:
        _limited(_ORDINARY_RUNS)(_test_of(job, settings))()
    for number in range(_FIRST_SEED, _FIRST_SEED + -(-more // _RUNS_OF_A_SEED)):
        limited = _limited(_RUNS_OF_A_SEED, derandomize=False, database=None)
        seed(number)(limited(_test_of(job, settings)))()


def test_memory_does_what_a_database_and_redis_do(factory: JobFactory, settings: Settings, tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, redis.Redis.from_url(server.url) as client:

        @_limited(_REAL_RUNS)
        @given(programs, st.booleans())
        def test(program: bytes, repeats: bool) -> None:
            real = RealStorage(factory, client)
            assert _trace(MemoryStorage(real.job), settings, program, repeats) == _trace(
                real, settings, program, repeats
            )

        test()


def _limited(runs: int, **more: Any) -> Callable[[Any], Any]:
    return hypothesis_settings(max_examples=runs, deadline=None, suppress_health_check=list(HealthCheck), **more)


def _test_of(job: Job, settings: Settings) -> Any:
    @given(programs, st.booleans())
    def test(program: bytes, repeats: bool) -> None:
        for _ in run(World(MemoryStorage(job), settings, repeats=repeats), program):
            pass

    return test


def _trace(storage: Storage, settings: Settings, program: bytes, repeats: bool) -> list[object]:
    """What is to be seen of the row and the log after each step, without names and times."""
    return [_state(storage) for _ in run(World(storage, settings, repeats=repeats), program)]


def _state(storage: Storage) -> object:
    row = storage.row()
    facts = row and [
        *(row[name] for name in ("status", "attempt", "rescues", "seq_mark", "index_mark")),
        *(row[name] is None for name in ("worker", "cancel_requested_at", "stop_requested_at", "progress", "response")),
    ]
    logged = [
        (number, events.event_of(frame)["type"]) for page in storage.log.read(storage.job.id) for number, frame in page
    ]
    return facts, sorted(storage.checkpoints()), logged, storage.fence()

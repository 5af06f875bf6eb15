"""What a long queue costs: a create, a claim and the queries of places do the same work whether ten or many wait."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, event, text

from jobs.storage.database import Database
from jobs.storage.lists.filters import Sort
from jobs.storage.queue.claims import RunningLimits, select_queued, select_running, select_to_end
from jobs.storage.queue.lines import Line, select_line, select_lines
from jobs.storage.queue.places import MOST, read_places
from jobs.storage.schema import jobs
from tests.support.job_factory import JobFactory, accepted
from tests.support.long_queue import lengthen
from tests.support.own_database import own_database

SHORT, LONG = 10, 20_000
LINE = Line(0, "many", "demo", 0.0, "")


@contextmanager
def short_and_long(database: Database, place: Path) -> Iterator[list[JobFactory]]:
    """A short queue and a long one, of an owner with two models and of one with one, each in a database of its own."""
    with ExitStack() as opened:
        made = []
        for length in (SHORT, LONG):
            job_factory = own_database(database, place / f"{length}.db")
            opened.callback(job_factory.database.engine.dispose)
            for owner, model in (("few", "demo"), ("many", "other")):
                job_factory.store.accept(owner, accepted(model=model))
            lengthen(job_factory.database, job_factory.store.accept("many", accepted()), length)
            job_factory.claim(job_factory.store.accept("few", accepted()))
            made.append(job_factory)
        yield made


@pytest.fixture(scope="module")
def in_sqlite(sqlite_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[JobFactory]]:
    with short_and_long(sqlite_database, tmp_path_factory.mktemp("queue")) as made:
        yield made


@pytest.fixture(scope="module")
def in_postgresql(postgresql_database: Database) -> Iterator[list[JobFactory]]:
    with short_and_long(postgresql_database, Path()) as made:
        yield made


@pytest.fixture(params=["in_sqlite", "in_postgresql"])
def queues(request: pytest.FixtureRequest) -> list[JobFactory]:
    """Those of each database."""
    made: list[JobFactory] = request.getfixturevalue(request.param)
    return made


@contextmanager
def counted_steps(job_factory: JobFactory) -> Iterator[list[int]]:
    """The steps of SQLite's machine meanwhile, in the only number of the list."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    def watch(connection: Any, *_: object) -> None:
        connection.set_progress_handler(count, 1)

    engine = job_factory.database.engine
    engine.dispose()
    event.listen(engine, "connect", watch)
    try:
        yield steps
    finally:
        event.remove(engine, "connect", watch)
        engine.dispose()


def read_blocks(job_factory: JobFactory, query: Select[Any]) -> int:
    """How many blocks PostgreSQL looks at for a query."""
    words = query.compile(job_factory.database.engine, compile_kwargs={"literal_binds": True})
    with job_factory.database.write() as connection:
        (plan,) = connection.execute(text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {words}")).scalar_one()
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


ACTS: dict[str, Callable[[JobFactory], object]] = {
    "accept": lambda job_factory: job_factory.store.accept("many", accepted()),
    "claim": lambda job_factory: job_factory.attempts.claim("w", {"other": 1}.get, {"few": 1}.get),
    "claim what is to end": lambda job_factory: job_factory.attempts.claim_ending("w"),
    "look for work": lambda job_factory: job_factory.attempts.is_any_queued(),
}
QUERIES = {
    "lines": select_lines(),
    "line": select_line(LINE).limit(1),
    "to end": select_to_end().limit(1),
    "queued": select_queued().limit(1),
    "running": select_running(),
    "first of a line": select_line(LINE).add_columns(jobs.c.created_at).limit(SHORT),
}


@pytest.mark.parametrize("act", ACTS)
def test_sqlite_takes_the_steps_of_a_short_queue(in_sqlite: list[JobFactory], act: str) -> None:
    steps = []
    for job_factory in in_sqlite:
        with counted_steps(job_factory) as counted:
            ACTS[act](job_factory)
        steps += counted
    short, long = steps
    assert 0 < long <= 1.2 * short + 20


@pytest.mark.parametrize("query", ["lines", "line", "to end", "queued"])
def test_postgresql_reads_hardly_more_than_of_a_short_queue(in_postgresql: list[JobFactory], query: str) -> None:
    """A tree of 20,000 entries is two blocks higher than one of ten."""
    short, long = (read_blocks(job_factory, QUERIES[query]) for job_factory in in_postgresql)
    assert 0 < long <= 3 * short + 3


@pytest.mark.parametrize("query", QUERIES)
def test_an_index_finds_and_sorts_all_that_is_asked_of_a_queue(queues: list[JobFactory], query: str) -> None:
    database = queues[1].database
    words = QUERIES[query].compile(database.engine, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN" if database.engine.name == "sqlite" else "EXPLAIN"
    with database.read() as connection:
        plan = "\n".join(str(row[-1]) for row in connection.execute(text(f"{explain} {words}")))
    assert " jobs_" in plan
    assert not re.search(r"SCAN (jobs|others)(?! USING (COVERING )?INDEX jobs_(queued|to_end|running))", plan), plan
    assert not re.search("TEMP B-TREE|Seq Scan on jobs|Sort", plan), plan


def test_places_are_counted_up_to_their_bound(queues: list[JobFactory]) -> None:
    for job_factory, are_all in zip(queues, (True, False), strict=True):
        with job_factory.database.read() as connection:
            places = read_places(connection, RunningLimits(lambda _model: None))
        assert places.are_all is are_all
        assert sorted(places.before.values()) == list(range(len(places.before)))
        assert len(places.before) == MOST or are_all
        last = job_factory.store.lists.page("many", limit=1, sort=Sort.NEWEST)[0]
        assert (last.id in places.before) is are_all

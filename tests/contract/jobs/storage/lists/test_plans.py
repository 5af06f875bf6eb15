"""Whatever is listed or counted of a long history is found in an index, in order, and in a few columns."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from jobs.job import Status
from jobs.storage.database import Database
from jobs.storage.lists.filters import Sort
from jobs.storage.lists.job_lists import JobLists
from jobs.storage.search.words import owner_word
from jobs.storage.statistics import Statistics
from tests.support.job_factory import OWNER, accepted
from tests.support.long_queue import lengthen
from tests.support.own_database import own_database

# What grows with a request, or with what is written.
WIDE = re.compile(r"\b(response|initial_frames|frames|search|request)\b")


@contextmanager
def history(database: Database, file: Path) -> Iterator[Database]:
    """A database where one owner has many jobs, most of which have ended."""
    job_factory = own_database(database, file)
    for body in ({}, {"input": None, "prompt": {"id": "story", "variables": {"topic": "x"}}}):
        lengthen(job_factory.database, job_factory.store.accept(OWNER, accepted(**body)), 1500)
    with job_factory.database.write() as connection:
        long_ago = f"{time.time() - 9e6} + created_at - floor(created_at)"
        ended = f"status = 'completed', created_at = {long_ago}, ended_at = {long_ago}"
        connection.execute(text(f"UPDATE jobs SET {ended} WHERE id NOT LIKE '%7'"))
        connection.execute(text("UPDATE jobs SET starred = 1 WHERE id LIKE '%3'"))
        of_label = "SELECT owner, 'penguins', created_at, id FROM jobs WHERE id LIKE '%5'"
        connection.execute(text(f"INSERT INTO job_labels (owner, label, created_at, job_id) {of_label}"))
        if database.engine.name == "postgresql":
            connection.execute(text("ANALYZE"))
    yield job_factory.database
    job_factory.database.engine.dispose()


@pytest.fixture(scope="module")
def in_sqlite(sqlite_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with history(sqlite_database, tmp_path_factory.mktemp("history") / "own.db") as made:
        yield made


@pytest.fixture(scope="module")
def in_postgresql(postgresql_database: Database) -> Iterator[Database]:
    with history(postgresql_database, Path()) as made:
        yield made


@pytest.fixture(params=["in_sqlite", "in_postgresql"])
def long_history(request: pytest.FixtureRequest) -> Database:
    """That of each database."""
    made: Database = request.getfixturevalue(request.param)
    return made


def statements(database: Database, act: Callable[[], object]) -> list[tuple[str, Any]]:
    """The statements, with their parameters, that an act sends to the database."""
    sent = list[tuple[str, Any]]()

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return sent


def plan(database: Database, statement: str, parameters: Any) -> str:
    """How the database finds the rows of a statement."""
    explain = "EXPLAIN QUERY PLAN" if database.engine.name == "sqlite" else "EXPLAIN"
    with database.read() as connection:
        return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters))


def sent_along_an_index(database: Database, act: Callable[[], object]) -> list[str]:
    """The statements of an act, of which each finds its jobs in an index that has them in order, and no others."""
    sent = statements(database, act)
    for statement, parameters in sent:
        found = plan(database, statement, parameters)
        if re.search(r"jobs_pkey|sqlite_autoindex_jobs_1 \(id=", found):
            continue  # one row
        assert "jobs" not in found.replace("job_counts", "") or " jobs_by_" in found, found
        assert not re.search(r"SCAN jobs|Seq Scan on jobs|TEMP B-TREE|Sort", found), found
        # Of those that run there are few.
        assert not re.search(r"Filter: ", re.sub(r"jobs_running .*\n.*Index Cond.*\n *Filter: ", "", found)), found
    return [statement for statement, _ in sent]


ONLY: dict[str, dict[str, Any]] = {
    "all": {},
    "of a status": {"status": Status.COMPLETED},
    "of a status that none has": {"status": Status.FAILED},
    "of a prompt": {"prompt": "story"},
    "of a prompt that none has": {"prompt": "none"},
    "of both": {"prompt": "story", "status": Status.COMPLETED},
    "of both that none has": {"prompt": "story", "status": Status.FAILED},
}
NARROW: dict[str, dict[str, Any]] = {
    "of a time": {"since": 1.0, "until": 2e9},
    "starred": {"starred": True},
    "starred, of a status": {"starred": True, "status": Status.COMPLETED},
    "of a label": {"label": "penguins"},
    "of a label, of a prompt and a time": {"label": "penguins", "prompt": "story", "since": 1.0},
    "of a label that none has": {"label": "none"},
}


@pytest.mark.parametrize("only", ONLY)
@pytest.mark.parametrize("sort", [Sort.NEWEST, Sort.OLDEST])
def test_a_page_reads_along_an_index_and_only_what_it_shows(long_history: Database, only: str, sort: Sort) -> None:
    lists = JobLists(long_history)
    middle = lists.places(OWNER, limit=1000)[-1].id
    for after in (None, middle):
        look = partial(lists.page, OWNER, limit=30, after=after, sort=sort, **ONLY[only])
        assert not any(WIDE.search(statement) for statement in sent_along_an_index(long_history, look))


@pytest.mark.parametrize("only", NARROW)
def test_a_narrow_list_reads_along_its_own_index(long_history: Database, only: str) -> None:
    lists = JobLists(long_history)
    index = {"starred": "jobs_starred", "label": "job_labels"}.get(next(iter(NARROW[only])), "jobs_by_owner")
    for act in (partial(lists.page, OWNER, limit=30, **NARROW[only]), partial(lists.counts, OWNER, **NARROW[only])):
        ((statement, parameters),) = statements(long_history, act)
        found = plan(long_history, statement, parameters)
        assert index in found
        assert not re.search(r"SCAN jobs|Seq Scan on jobs|USE TEMP B-TREE FOR ORDER BY", found), found
        assert not WIDE.search(statement)


@pytest.mark.parametrize("only", ONLY)
def test_ended_jobs_are_not_counted_at_each_look(long_history: Database, only: str) -> None:
    lists = JobLists(long_history)
    (statement,) = sent_along_an_index(long_history, lambda: lists.counts(OWNER, **ONLY[only]))
    assert "job_counts" in statement
    assert not WIDE.search(statement)
    sent_along_an_index(long_history, lambda: lists.places(OWNER, limit=30, **ONLY[only]))


def test_the_systems_page_reads_an_hour_and_a_day_from_an_index(long_history: Database) -> None:
    statistics = Statistics(long_history)
    for look in (lambda: statistics.minutes(time.time()), lambda: statistics.failures(time.time() - 86_400)):
        for statement, parameters in statements(long_history, look):
            assert re.search(" jobs_by_(age|end)", plan(long_history, statement, parameters))


def test_postgresql_looks_a_rare_word_up(in_postgresql: Database) -> None:
    with in_postgresql.write() as connection:
        entries = "INSERT INTO search_entries (job_id, indexed) SELECT id, 1 FROM jobs ON CONFLICT DO NOTHING"
        words = "SELECT number, array_to_tsvector(ARRAY[:owner]) FROM search_entries"
        connection.execute(text(entries))
        connection.execute(
            text(f"INSERT INTO search_index {words} ON CONFLICT DO NOTHING"), {"owner": owner_word(OWNER)}
        )
        connection.execute(text("ANALYZE"))
    ((statement, parameters),) = statements(
        in_postgresql, partial(JobLists(in_postgresql).page, OWNER, limit=1, words="rare")
    )
    found = plan(in_postgresql, statement, parameters)
    assert "on search_index_words" in found
    assert "Seq Scan" not in found


def test_postgresql_plans_a_search_for_its_own_words(in_postgresql: Database) -> None:
    """A plan that is kept is one for words as rare as most: for a common one it reads and sorts a million jobs."""
    for _ in range(40):
        JobLists(in_postgresql).page(OWNER, limit=30, words="rare")
    prepared = "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE '%search_index%'"
    with in_postgresql.read() as connection:
        rows = connection.execute(text(prepared)).all()
    assert sum(row.custom_plans for row in rows) > 5
    assert sum(row.generic_plans for row in rows) == 0

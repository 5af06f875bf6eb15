"""Jobs are found by words, on both databases, and leave nothing in the index when they are deleted."""

from __future__ import annotations

import re
import secrets
from typing import Any

import pytest
from sqlalchemy import event, select, text

from jobs.job import Status
from jobs.storage.database import Database
from jobs.storage.lists.filters import Sort
from jobs.storage.search.catch_up import index_some
from jobs.storage.search.matches import phrase
from jobs.storage.search.words import AskedWord, owner_word
from jobs.storage.store import Store
from jobs.storage.waiters import WaiterRegistry, new_waiter_id
from tests.support.job_factory import JobFactory, accepted
from worker.model.chunks import Kind
from worker.writing.section import Section

HOSTILE = [
    "",
    " ",
    "'",
    '"',
    '"" OR ""',
    "%",
    "_",
    "\\",
    "\0",
    "a\0b",
    "\ud800",
    "*",
    "a*",
    "(a",
    "a)",
    "NEAR(a b)",
    "NOT",
    "AND OR NOT",
    "words:a",
    "^a",
    "{words}:a",
    "-a",
    "a & | ! b",
    "a:*",
    "a <-> b",
    "!!! ?? ...",
    "…。、",
    "x" * 10_000,
    "a " * 5_000,
    "字" * 10_000,
    "".join(map(chr, range(0x4E00, 0x4E00 + 10_000))),
    "".join(map(chr, range(1, 3000))),
]


@pytest.fixture
def owner() -> str:
    """Of one test only: the database is everybody's."""
    return secrets.token_hex(8)


def ask(store: Store, owner: str, question: str, **only: Any) -> list[str]:
    """The ids that a question finds, however it is asked."""
    ids = store.lists.ids(owner, words=question, **only)
    assert [job.id for job in store.lists.page(owner, limit=99, words=question, **only)] == ids
    assert [job.id for job in store.lists.page(owner, limit=99, sort=Sort.OLDEST, words=question, **only)] == ids[::-1]
    assert sum(store.lists.counts(owner, words=question, prompt=only.get("prompt")).values()) >= len(ids)
    return ids


def write(job_factory: JobFactory, owner: str, asked: str, written: str) -> str:
    """A job of the owner that has ended."""
    job = job_factory.store.accept(owner, accepted(input=asked))
    claim = job_factory.claim(job)
    writer = job_factory.writer(claim)
    writer.begin()
    Section(writer, 0).write(Kind.TEXT, written)
    writer.close_open_items()
    job_factory.finish(claim, Status.INCOMPLETE, writer)
    return job.id


def words_of(database: Database, owner: str) -> int:
    """How many entries of an owner's jobs are in the index."""
    with database.write() as connection:
        if database.engine.name == "postgresql":
            count = "SELECT count(*) FROM search_index WHERE words @@ CAST(:word AS tsquery)"
        else:
            connection.execute(
                text("CREATE VIRTUAL TABLE IF NOT EXISTS temp.terms USING fts5vocab(main, search_index, row)")
            )
            count = "SELECT coalesce(sum(doc), 0) FROM terms WHERE term = :word"
        return int(connection.execute(text(count), {"word": owner_word(owner)}).scalar_one())


@pytest.mark.parametrize(
    ("question", "is_found"),
    [
        ("penguin", True),
        ("ICE penguins", True),
        ("pengu Antarc", True),
        ("penguins of the antarctic", True),
        ("penguins tropics", False),
        ("enguins", False),  # words are found from their beginning
        ("an", False),  # and short ones as they are
        ("of", True),
        ("ＰＥＮＧＵＩＮＳ", True),
        ("cafe\u0301", True),  # with the accent as a character of its own
        ("STRASSE", True),
        ("北京大学", True),
        ("京", True),
        ("大学 penguins", True),
        ("上海", False),
        ("学北", False),
        ("ペンギン", True),
        ("펭귄", True),
        ("2026", True),
        ("in_progress", True),
        ("nobody@example.org", True),
    ],
)
def test_a_job_is_found_by_all_words_of_its_request_and_text_in_any_order(
    job_factory: JobFactory, owner: str, question: str, is_found: bool
) -> None:
    asked = "Penguins of the Antarctic; café, Straße, nobody@example.org, 2026"
    found = write(job_factory, owner, asked, "Ice. 我在北京大学。ペンギン, 펭귄은, in_progress")
    write(job_factory, owner, "another", "text")
    write(job_factory, secrets.token_hex(8), asked, "Ice. 我在北京大学。ペンギン, 펭귄은, in_progress")
    assert ask(job_factory.store, owner, question) == [found] * is_found


def test_a_job_is_found_by_its_request_at_once_and_by_its_text_when_it_has_ended(
    job_factory: JobFactory, owner: str
) -> None:
    job = job_factory.store.accept(owner, accepted(input="walrus"))
    assert ask(job_factory.store, owner, "walrus") == [job.id]
    claim = job_factory.claim(job)
    assert ask(job_factory.store, owner, "walrus", status=Status.IN_PROGRESS) == [job.id]
    assert ask(job_factory.store, owner, "walrus", status=Status.QUEUED) == []
    writer = job_factory.writer(claim)
    writer.begin()
    Section(writer, 0).write(Kind.TEXT, "carpenter")
    writer.close_open_items()
    assert ask(job_factory.store, owner, "carpenter") == []
    job_factory.finish(claim, Status.INCOMPLETE, writer)
    assert ask(job_factory.store, owner, "carpenter walrus") == [job.id]
    assert words_of(job_factory.database, owner) == 1


def test_a_search_is_read_page_by_page_and_counted_as_far_as_anybody_reads(
    job_factory: JobFactory, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [job_factory.store.accept(owner, accepted(input=f"seal {number % 2}")).id for number in range(9)]
    for sort, expected in ((Sort.NEWEST, made[::-1]), (Sort.OLDEST, made)):
        found, last = list[str](), None
        while page := job_factory.store.lists.page(owner, limit=2, after=last, sort=sort, words="seal"):
            found += [job.id for job in page]
            last = found[-1]
        assert found == expected
    job_factory.store.request_cancel(owner, made[0])
    assert job_factory.store.lists.counts(owner, words="0 seal")[Status.QUEUED] == 4
    monkeypatch.setattr("jobs.storage.lists.counts.MOST_COUNTED", 8)
    counts = job_factory.store.lists.counts(owner, words="seal")
    assert (counts[Status.QUEUED], counts[Status.CANCELLED]) == (8, 0)


@pytest.mark.parametrize("question", HOSTILE)
def test_no_question_is_an_error(job_factory: JobFactory, owner: str, question: str) -> None:
    job = job_factory.store.accept(owner, accepted(input="a b words near 字"))
    assert set(ask(job_factory.store, owner, question)) <= {job.id}


def test_a_text_of_more_words_than_an_index_holds_is_found_by_its_first(job_factory: JobFactory, owner: str) -> None:
    many = " ".join(f"{number:040}" for number in range(30_000))
    job = write(job_factory, owner, "longest", many)
    assert ask(job_factory.store, owner, f"longest {1:040}") == [job]
    job_factory.store.delete(owner, job)
    assert words_of(job_factory.database, owner) == 0


def test_whatever_deletes_a_job_deletes_its_words(job_factory: JobFactory, database: Database, owner: str) -> None:
    store, registry = job_factory.store, WaiterRegistry(database)
    ended = [write(job_factory, owner, f"otter {number}", "river") for number in range(4)]
    queued = store.accept(owner, accepted(input="otter"))
    waiter = new_waiter_id()
    store.accept(owner, accepted(input="otter", store=False, background=False), waiter=waiter)
    assert words_of(database, owner) == 6
    registry.leave(waiter)
    store.delete(owner, queued.id)
    store.delete(owner, ended[0])
    assert (words_of(database, owner), ask(store, owner, "river otter")) == (3, ended[:0:-1])
    store.delete_all(owner, ended[1:])
    assert (words_of(database, owner), ask(store, owner, "river")) == (0, [])


def test_rows_that_an_earlier_version_wrote_are_indexed_and_listed_later(
    job_factory: JobFactory, database: Database, owner: str
) -> None:
    """A worker of before ends a job of today's web; a web of before accepts one, and leaves it without an entry."""
    ended = write(job_factory, owner, "badger", "sett")
    queued = job_factory.store.accept(owner, accepted(input="badger"))
    listed = job_factory.store.lists.page(owner, limit=2)
    assert [(bool(job.title), bool(job.outcome)) for job in listed] == [(True, False), (True, True)]
    with database.write() as connection:
        own = {"owner": owner}
        without = "search = search || 'badger', title = NULL, outcome = NULL, target_words = NULL"
        connection.execute(text(f"UPDATE jobs SET {without} WHERE owner = :owner"), own)
        connection.execute(text("DELETE FROM search_entries WHERE job_id = :id"), {"id": queued.id})
    assert ask(job_factory.store, owner, "badger") == [ended]
    assert index_some(database, seconds=30) >= 2
    assert ask(job_factory.store, owner, "badger") == [queued.id, ended]
    assert ask(job_factory.store, owner, "sett") == [ended]
    assert job_factory.store.lists.page(owner, limit=2) == listed
    assert index_some(database) == 0


def test_sqlite_reads_the_index_in_order_and_sorts_nothing(sqlite_database: Database, owner: str) -> None:
    store = JobFactory(sqlite_database).store
    last = [store.accept(owner, accepted(input="heron")).id for _ in range(3)][-1]
    plans = list[str]()

    def explain(connection: Any, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        if "MATCH" in statement and not statement.startswith("EXPLAIN"):
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.append("\n".join(row.detail for row in plan))

    event.listen(sqlite_database.engine, "before_cursor_execute", explain)
    try:
        store.lists.page(owner, limit=2, after=last, words="her", status=Status.QUEUED, prompt="story")
        store.lists.page(owner, limit=2, sort=Sort.OLDEST, words="heron")
        store.lists.ids(owner, words="heron")
        store.lists.counts(owner, words="heron")
    finally:
        event.remove(sqlite_database.engine, "before_cursor_execute", explain)
    assert len(plans) == 4
    for plan in plans:
        assert "SCAN search_index VIRTUAL TABLE" in plan
        assert "ORDER BY" not in plan
        assert "SCAN search_index_terms VIRTUAL TABLE INDEX 6:" in plan  # from a beginning to its end
        scanned = {name for name in re.findall(r"SCAN (\w+)", plan) if not name.startswith("anon_")}
        assert scanned == {"search_index", "search_index_terms"}


def test_a_beginning_of_many_words_is_found_as_one_of_few(sqlite_database: Database, owner: str) -> None:
    store = JobFactory(sqlite_database).store
    few = store.accept(owner, accepted(input="quokkry")).id
    many = store.accept(owner, accepted(input=" ".join(f"quok{number}" for number in range(300)))).id
    assert ask(store, owner, "quok") == [many, few]
    assert ask(store, owner, "quokk") == [few]
    assert ask(store, owner, "quokkas") == []
    for beginning, told in (("quok", '"quok" *'), ("quokk", '("quokkry")'), ("quokkas", '"quokkas" *')):
        with sqlite_database.read() as connection:
            assert connection.execute(select(phrase(AskedWord(beginning, is_beginning=True)))).scalar_one() == told

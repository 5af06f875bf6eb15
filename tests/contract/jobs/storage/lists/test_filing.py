"""Jobs are found by the title, the star and the labels that their owner gives them, and in other orders than by age."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from sqlalchemy import func, select, update

from jobs.errors import JobNotFound
from jobs.storage.lists.filters import Sort
from jobs.storage.lists.labels import job_labels
from jobs.storage.schema import jobs
from tests.support.job_factory import JobFactory, accepted
from worker.model.chunks import Kind
from worker.writing.section import Section


@pytest.fixture
def owner() -> str:
    """Of one test only: the database is everybody's."""
    return secrets.token_hex(8)


def make(job_factory: JobFactory, owner: str, text: str = "hello", **metadata: str) -> str:
    return job_factory.store.accept(owner, accepted(input=text, metadata=metadata)).id


def end(job_factory: JobFactory, owner: str, job_id: str, written: str) -> None:
    claim = job_factory.claim(job_factory.store.get(owner, job_id))
    writer = job_factory.writer(claim)
    writer.begin()
    Section(writer, 0).write(Kind.TEXT, written)
    writer.close_open_items()
    job_factory.finish(claim, writer=writer)


def listed(job_factory: JobFactory, owner: str, sort: Sort = Sort.NEWEST, **only: Any) -> list[str]:
    """The ids of a list, two at a time: forwards, and the same from its end backwards."""
    found: list[str] = []
    lists = job_factory.store.lists
    while page := lists.page(owner, limit=2, after=found[-1] if found else None, sort=sort, **only):
        found += [job.id for job in page]
    back = lists.page(owner, limit=99, after=found[-1], sort=sort, backwards=True, **only) if found else []
    assert [job.id for job in back] == found[-2::-1]
    return found


def test_metadata_of_a_create_files_a_job(job_factory: JobFactory, owner: str) -> None:
    plain = make(job_factory, owner)
    filed = make(job_factory, owner, title="Of herons", starred="true", labels="birds, draft")
    (first, second) = job_factory.store.lists.page(owner, limit=9)
    assert (first.name, first.starred, first.labels) == ("Of herons", 1, "birds, draft")
    assert (second.name, second.starred, second.labels) == (None, 0, None)
    assert listed(job_factory, owner, starred=True) == [filed]
    assert listed(job_factory, owner, label="birds") == [filed]
    assert listed(job_factory, owner, label="bird") == []
    assert listed(job_factory, owner, words="herons") == [filed]
    assert job_factory.store.lists.labels(owner) == ["birds", "draft"]
    assert job_factory.store.lists.labels("nobody") == []
    assert listed(job_factory, owner) == [filed, plain]


def test_a_job_is_filed_anew_before_and_after_its_end(job_factory: JobFactory, owner: str) -> None:
    store, job_id = job_factory.store, make(job_factory, owner, "seals", title="first", labels="old", k="v")
    for title, label, has_ended in (("second", "mid", False), ("third", "new", True)):
        if has_ended:
            end(job_factory, owner, job_id, "They swim.")
        job = store.change_metadata(owner, job_id, {"title": title, "labels": label})
        assert job.metadata == {"title": title, "labels": label}
        assert store.lists.labels(owner) == [label]
        for words, is_found in (("first", False), (title, True), (f"seals {title}", True), ("swim", has_ended)):
            assert (listed(job_factory, owner, words=words) == [job_id]) is is_found, words
        assert listed(job_factory, owner, words=title, label=label, starred=False) == [job_id]
        assert listed(job_factory, owner, words=title, label="old") == []
    assert store.get(owner, job_id).request.metadata["k"] == "v"
    store.change_metadata(owner, job_id, {})
    assert store.get(owner, job_id).metadata == {}
    assert listed(job_factory, owner, words="third") == []
    assert listed(job_factory, owner, words="swim seals") == [job_id]


def test_another_owner_files_nothing(job_factory: JobFactory, owner: str) -> None:
    job_id = make(job_factory, owner, labels="mine")
    with pytest.raises(JobNotFound):
        job_factory.store.change_metadata("another", job_id, {"labels": "theirs"})
    assert job_factory.store.lists.labels(owner) == ["mine"]
    assert listed(job_factory, "another", label="mine") == []


def test_a_deleted_job_leaves_no_label_and_no_word(job_factory: JobFactory, owner: str) -> None:
    job_id = make(job_factory, owner, title="gone", labels="a, b")
    job_factory.store.change_metadata(owner, job_id, {"title": "going", "labels": "c"})
    job_factory.store.delete(owner, job_id)
    with job_factory.database.read() as connection:
        left = select(func.count()).select_from(job_labels).where(job_labels.c.owner == owner)
        assert connection.execute(left).scalar_one() == 0
    assert listed(job_factory, owner, words="going") == []


def test_lists_are_of_a_time_and_in_an_order(job_factory: JobFactory, owner: str) -> None:
    ids = [make(job_factory, owner, title=title) for title in ("delta", "Alpha", "charlie", "bravo")]
    values = [(10.0, 5, 30.0), (20.0, None, None), (30.0, 50, 5.0), (40.0, 5, 60.0)]
    with job_factory.database.write() as connection:
        for job_id, (created_at, words, seconds) in zip(ids, values, strict=True):
            spent = {} if seconds is None else {"started_at": 100.0, "ended_at": 100.0 + seconds}
            connection.execute(
                update(jobs).where(jobs.c.id == job_id).values(created_at=created_at, words=words, **spent)
            )
    delta, alpha, charlie, bravo = ids
    assert listed(job_factory, owner, since=20.0, until=40.0) == [charlie, alpha]
    assert listed(job_factory, owner, Sort.OLDEST, since=20.0) == [alpha, charlie, bravo]
    assert listed(job_factory, owner, Sort.TITLE) == [alpha, bravo, charlie, delta]
    assert listed(job_factory, owner, Sort.LONGEST) == [bravo, delta, charlie, alpha]
    by_words = listed(job_factory, owner, Sort.MOST_WORDS)
    assert (by_words[0], set(by_words[1:3]), by_words[3]) == (charlie, {delta, bravo}, alpha)
    assert listed(job_factory, owner, Sort.TITLE, until=40.0, words="alpha") == [alpha]
    assert sum(job_factory.store.lists.counts(owner, since=20.0).values()) == 3

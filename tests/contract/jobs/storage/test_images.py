"""An image is there once for its owner, for as long as a job has it, on both databases."""

from __future__ import annotations

import secrets
import threading

import pytest
from sqlalchemy import func, select

from jobs.errors import InvalidRequest
from jobs.storage.attempts import AttemptStore
from jobs.storage.database import Database
from jobs.storage.schema import images, job_images
from jobs.storage.store import Store
from tests.support.pictures import accept_with, png


@pytest.fixture
def owner() -> str:
    """Of one test only: the database is everybody's."""
    return secrets.token_hex(8)


def kept(database: Database, owner: str) -> tuple[int, int]:
    """How many images an owner has, and how many times jobs have one."""
    with database.read() as connection:
        counts = (
            connection.execute(select(func.count()).where(table.c.owner == owner)).scalar_one()
            for table in (images, job_images)
        )
        return next(counts), next(counts)


def test_an_image_is_kept_once_until_its_last_job_is_deleted(database: Database, owner: str) -> None:
    store = Store(database)
    shared, other = png(), png()
    first, second = accept_with(store, owner, shared, shared), accept_with(store, owner, shared, other)
    assert kept(database, owner) == (2, 3)
    assert sorted(store.images(second).values()) == sorted([shared, other])
    assert list(store.images(first).values()) == [shared]
    store.delete(owner, second.id)
    assert kept(database, owner) == (1, 1)
    assert list(store.images(first).values()) == [shared]
    store.delete_all(owner, [first.id])
    assert kept(database, owner) == (0, 0)


def test_owners_share_no_image(database: Database, owner: str) -> None:
    store, picture, other = Store(database), png(), secrets.token_hex(8)
    mine, theirs = accept_with(store, owner, picture), accept_with(store, other, picture)
    store.delete(other, theirs.id)
    assert list(store.images(mine).values()) == [picture]
    assert kept(database, other) == (0, 0)


def test_a_worker_gets_the_images_of_its_job(database: Database, owner: str) -> None:
    picture = png()
    job = accept_with(Store(database), owner, picture)
    attempts = AttemptStore(database)
    claim = attempts.claim_one(job.id, "a worker")
    assert claim is not None
    assert list(attempts.images(claim).values()) == [picture]


def test_a_job_is_refused_when_an_image_of_its_conversation_is_gone(database: Database, owner: str) -> None:
    store, picture = Store(database), png()
    before = accept_with(store, owner, picture)
    store.delete(owner, before.id)
    with pytest.raises(InvalidRequest, match="was deleted"):
        store.accept(owner, before.request)
    assert kept(database, owner) == (0, 0)


def test_jobs_that_come_and_go_at_the_same_time_leave_each_other_their_image(database: Database, owner: str) -> None:
    store, picture = Store(database), png()
    faults: list[Exception] = []

    def come_and_go() -> None:
        try:
            for _ in range(10):
                job = accept_with(store, owner, picture)
                assert list(store.images(job).values()) == [picture]
                store.delete(owner, job.id)
        except Exception as error:  # noqa: BLE001  (told in the test's own thread)
            faults.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert kept(database, owner) == (0, 0)

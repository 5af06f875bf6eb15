"""The counts that are kept are those of the rows, whatever happens to jobs, and `penstock db check` compares them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from jobs.errors import JobNotFound
from jobs.job import Status
from jobs.storage.database import Database
from jobs.storage.lists.counts import count_differences
from jobs.storage.lists.job_lists import JobLists
from jobs.storage.schema import jobs
from tests.support.job_factory import JobFactory, accepted
from tests.support.own_database import own_database

ENDS = (Status.COMPLETED, Status.FAILED, Status.INCOMPLETE, Status.CANCELLED)
STEPS = 120


@pytest.fixture
def own_jobs(database: Database, tmp_path: Path) -> Iterator[JobFactory]:
    """An empty database of each kind."""
    made = own_database(database, tmp_path / "own.db")
    yield made
    made.database.engine.dispose()


class Life:
    """All that happens to jobs, by chance."""

    def __init__(self, job_factory: JobFactory, seed: int) -> None:
        self._jobs = job_factory
        self._chance = random.Random(seed)
        self._known = list[tuple[str, str]]()
        self._acts = [self.accept, self.accept, self.claim, self.end, self.end, self.requeue]
        self._acts += [self.cancel, self.delete, self.delete_some, self.expire]

    def step(self) -> None:
        """Do one thing."""
        with suppress(JobNotFound):
            self._chance.choice(self._acts)()

    def accept(self) -> None:
        owner = self._chance.choice("ab")
        body = self._chance.choice([{}, {"input": None, "prompt": {"id": "story", "variables": {"topic": "x"}}}])
        self._known.append((owner, self._jobs.store.accept(owner, accepted(**body)).id))

    def claim(self) -> None:
        self._jobs.attempts.claim("w")

    def end(self) -> None:
        if claim := self._jobs.attempts.claim("w"):
            self._jobs.finish(claim, self._chance.choice(ENDS))

    def requeue(self) -> None:
        self._jobs.attempts.requeue_orphans("w")

    def cancel(self) -> None:
        for owner, job_id in self._some(1):
            self._jobs.store.request_cancel(owner, job_id)

    def delete(self) -> None:
        for owner, job_id in self._some(1):
            self._jobs.store.delete(owner, job_id)

    def delete_some(self) -> None:
        self._jobs.store.delete_all("a", [job_id for _, job_id in self._some(3)])

    def expire(self) -> None:
        self._jobs.store.expire(self._chance.choice([0, 1e12]), limit=4)

    def _some(self, count: int) -> list[tuple[str, str]]:
        return self._chance.sample(self._known, min(count, len(self._known)))


def assert_counted(database: Database) -> None:
    """What lists say is what the rows say."""
    with database.read() as connection:
        rows = connection.execute(select(jobs.c.owner, jobs.c.prompt, jobs.c.status)).all()
    lists = JobLists(database)
    for owner in "ab":
        for prompt in (None, "story"):
            counted = Counter(row.status for row in rows if row.owner == owner and prompt in (None, row.prompt))
            assert lists.counts(owner, prompt=prompt) == {status: counted[status] for status in Status}
    assert list(count_differences(database)) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_counts_agree_with_the_rows_after_anything(own_jobs: JobFactory, seed: int) -> None:
    life = Life(own_jobs, seed)
    for number in range(STEPS):
        life.step()
        if number % 20 == 19:
            assert_counted(own_jobs.database)


def test_an_end_waits_for_no_other_and_counts_only_once_it_is_committed(postgresql_database: Database) -> None:
    own_jobs = own_database(postgresql_database, Path())
    first, second = (own_jobs.claim(own_jobs.store.accept("a", accepted())) for _ in range(2))
    with own_jobs.database.engine.connect() as connection:
        ended = {"status": Status.COMPLETED, "ended_at": 1.0}
        connection.execute(update(jobs).where(jobs.c.id == first.job.id).values(ended))
        own_jobs.finish(second)
        connection.rollback()
    assert own_jobs.store.lists.counts("a")[Status.COMPLETED] == 1
    assert_counted(own_jobs.database)
    own_jobs.database.engine.dispose()


def test_a_wrong_count_is_found(own_jobs: JobFactory) -> None:
    own_jobs.finish(own_jobs.claim(own_jobs.store.accept("owner", accepted())))
    with own_jobs.database.write() as connection:
        connection.execute(text("UPDATE job_counts SET jobs = 3"))
    assert list(count_differences(own_jobs.database)) == ["counts of owner  1 completed jobs of prompt '', 3 counted"]

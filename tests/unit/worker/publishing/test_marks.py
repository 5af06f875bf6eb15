"""What is reserved in the row before it is used, by sections that open at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from jobs.storage.attempts import BLOCK
from tests.support.job_factory import JobFactory
from worker.publishing.marks import Marks

SECTIONS = 8


def test_no_two_sections_take_an_index_that_the_row_has_not_reserved(job_factory: JobFactory) -> None:
    claim = job_factory.claim()
    together = Barrier(SECTIONS)

    def reserve(seq_mark: int, index_mark: int, *, needed: bool) -> bool:
        assert needed
        job_factory.attempts.reserve(claim, seq_mark, index_mark)
        return True

    marks = Marks(claim, 0, reserve)

    def take(_section: int) -> list[tuple[int, int]]:
        together.wait()
        return [(marks.take_index(2), job_factory.get(claim.job.id).index_mark) for _ in range(10)]

    with ThreadPoolExecutor(SECTIONS) as threads:
        taken = [pair for pairs in threads.map(take, range(SECTIONS)) for pair in pairs]
    assert sorted(index for index, _ in taken) == list(range(10 * SECTIONS))
    assert all(index < reserved for index, reserved in taken)


def test_while_the_database_is_away_not_every_token_waits_for_it(job_factory: JobFactory) -> None:
    claim = job_factory.claim()
    asked: list[bool] = []

    def refuse(seq_mark: int, index_mark: int, *, needed: bool) -> bool:  # noqa: ARG001
        asked.append(needed)
        return False

    marks = Marks(claim, 0, refuse)
    for number in range(claim.job.seq_mark - BLOCK // 2 - 100, claim.job.seq_mark - BLOCK // 2 + 100):
        marks.keep_ahead_of(number)
    assert asked == [False]
    marks.keep_ahead_of(claim.job.seq_mark - 1)
    assert asked == [False, True]

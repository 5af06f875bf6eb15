"""Reads of the same thing by many at once: never older than the question, and as few as that allows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.support.stack import wait_for
from web.relay.shared_reads import SharedReads

ASKING = 20


class Source:
    """What is read: a number that rises with each read, which ends when it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = threading.Semaphore(0)
        self.faults = 0

    def read(self, _: str) -> int:
        self.begun += 1
        number = self.begun
        assert self.go.acquire(timeout=20)
        if self.faults:
            self.faults -= 1
            raise ConnectionError
        return number


@contextmanager
def many_asking(source: Source, reads: SharedReads[str, int]) -> Iterator[tuple[Future[int], list[Future[int]]]]:
    """Who asks first, whose read is under way, and the others who ask meanwhile."""
    with ThreadPoolExecutor(ASKING + 1) as threads:
        first = threads.submit(reads.get, "a")
        wait_for(lambda: source.begun == 1)
        others = [threads.submit(reads.get, "a") for _ in range(ASKING)]
        wait_for(lambda: reads._reads["a"].users == ASKING + 1)
        yield first, others


def test_who_asks_during_a_read_shares_the_next() -> None:
    source = Source()
    reads = SharedReads(source.read)
    with many_asking(source, reads) as (first, others):
        source.go.release(2)
        assert first.result() == 1
        assert {other.result() for other in others} == {2}
    assert source.begun == 2
    assert not reads._reads


def test_one_thing_does_not_wait_for_another() -> None:
    source = Source()
    reads = SharedReads(source.read)
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(reads.get, key) for key in "ab"]
        wait_for(lambda: source.begun == 2)
        source.go.release(2)
        assert {each.result() for each in both} == {1, 2}


def test_a_fault_is_for_who_has_read() -> None:
    source = Source()
    reads = SharedReads(source.read)
    with many_asking(source, reads) as (first, others):
        source.faults = 2
        source.go.release(3)
        with pytest.raises(ConnectionError):
            first.result()
        faults = [other.exception() for other in others]
    assert sum(isinstance(fault, ConnectionError) for fault in faults) == 1
    assert sum(fault is None for fault in faults) == ASKING - 1
    assert not reads._reads


def test_nothing_is_kept() -> None:
    source = Source()
    reads = SharedReads(source.read)
    source.go.release(2)
    assert [reads.get("a"), reads.get("a")] == [1, 2]

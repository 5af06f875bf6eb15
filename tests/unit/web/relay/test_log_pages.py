"""Pages of a log that viewers share: the same frames as without, and no more of them than the log has by then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import redis

from jobs.protocol import events
from jobs.protocol.ids import new_job_id
from jobs.transport.event_log import Append, EventLog
from web.relay.log_pages import KEPT_BYTES, PAGE, LogPages

FRAMES = 3 * PAGE + 50


class Counted(EventLog):
    """A log that knows what was read of it; `fault` is raised instead, `gate` waited for."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(log._redis)
        self.asked: list[tuple[int, int]] = []
        self.fault: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def read(self, job_id: str, after: int = -1, count: int = 500) -> Iterator[list[tuple[int, bytes]]]:
        self.asked.append((after, count))
        self.gate.wait(20)
        if self.fault:
            raise self.fault
        return super().read(job_id, after, count)


def frame(number: int, size: int = 10) -> bytes:
    return events.frame(events.TEXT_DELTA, number, {"delta": "x" * size})


def written(log: EventLog, count: int, size: int = 10) -> str:
    job_id = new_job_id()
    log.take(job_id, 1)
    append(log, job_id, 0, count, size)
    return job_id


def append(log: EventLog, job_id: str, first: int, count: int, size: int = 10) -> None:
    log.append([Append(job_id, 1, first, first, [frame(number, size) for number in range(first, first + count)])])


def text(pages: LogPages, log: EventLog, cursor: int = -1) -> bytes:
    batches = list(pages.read(log, cursor))
    assert all(later.first == earlier.last + 1 for earlier, later in pairwise(batches))
    return b"".join(batch.frames for batch in batches)


@pytest.fixture
def counted(log: EventLog) -> Counted:
    return Counted(log)


@pytest.mark.parametrize("cursor", [-1, 0, 7, PAGE - 1, FRAMES - PAGE - 2, FRAMES - 2, FRAMES - 1, FRAMES + 9])
def test_from_any_cursor_it_is_the_rest_of_the_log(counted: Counted, cursor: int) -> None:
    job_id = written(counted, FRAMES)
    pages = LogPages(job_id)
    rest = b"".join(map(frame, range(cursor + 1, FRAMES)))
    assert [text(pages, counted, cursor) for _ in range(3)] == [rest] * 3


def test_whole_pages_are_read_once_and_the_last_one_by_each(counted: Counted) -> None:
    pages = LogPages(written(counted, FRAMES))
    whole = text(pages, counted)
    counted.asked.clear()
    assert text(pages, counted) == whole
    first = [(PAGE * page - 1, PAGE) for page in range(3)]
    assert counted.asked == [*first, (3 * PAGE - 1, 500)]
    assert text(pages, counted) == whole
    assert counted.asked[len(first) + 1 :] == [(3 * PAGE - 1, 500)]


def test_what_came_since_a_page_was_read_is_seen(counted: Counted) -> None:
    job_id = written(counted, PAGE + 20)
    pages = LogPages(job_id)
    text(pages, counted)
    text(pages, counted)
    append(counted, job_id, PAGE + 20, 200)
    assert text(pages, counted) == b"".join(map(frame, range(PAGE + 220)))


def test_many_at_once_read_a_page_once(counted: Counted) -> None:
    pages = LogPages(written(counted, FRAMES))
    whole = text(pages, counted)
    counted.asked.clear()
    counted.gate.clear()
    with ThreadPoolExecutor(8) as threads:
        texts = [threads.submit(text, pages, counted) for _ in range(8)]
        counted.gate.set()
        assert [each.result(20) for each in texts] == [whole] * 8
    assert [asked for asked in counted.asked if asked[1] == PAGE] == [(PAGE * page - 1, PAGE) for page in range(3)]


def test_a_fault_is_the_readers_own_and_is_not_kept(counted: Counted) -> None:
    pages = LogPages(written(counted, FRAMES))
    whole = text(pages, counted)
    counted.fault = redis.ConnectionError("away")
    for _ in range(2):
        with pytest.raises(redis.ConnectionError, match="away"):
            text(pages, counted)
    counted.fault = None
    assert text(pages, counted) == whole


def test_only_the_newest_pages_are_kept(counted: Counted) -> None:
    size = KEPT_BYTES // PAGE // 2
    pages = LogPages(written(counted, 4 * PAGE, size))
    for _ in range(3):
        assert len(text(pages, counted)) > 4 * PAGE * size
    assert 0 < pages._size <= KEPT_BYTES
    assert len(pages._pages) == len(pages._kept) < 3

"""A disk without room: what is stored is read and deleted, nothing new is taken, all goes on when there is room."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import httpx2
import pytest
import redis

from jobs.storage.database import Database
from jobs.storage.disk.reserve import DiskReserve
from tests.support.assertions import assert_in_order, assert_one_end
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.up import running
from tests.support.wire import create, fetch

LARGE = json.dumps({"input": "x" * 1_000_000, "background": True}).encode()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with small_disk(tmp_path_factory.mktemp("disk") / "small") as mounted:
        yield mounted


@pytest.fixture(scope="module")
def stack(disk: SmallDisk) -> Iterator[Stack]:
    with running_stack(disk.path / "data") as running_on_it:
        yield running_on_it


@pytest.fixture
def full(disk: SmallDisk) -> Iterator[SmallDisk]:
    """Filled by the test, and emptied behind it."""
    yield disk
    disk.empty()


def status_of(url: str, job: str) -> str:
    return str(fetch(url, f"/v1/responses/{job}")[1]["status"])


def completed(url: str, text: str) -> str:
    """The id of a job that has ended."""
    job = str(create(url, input=text)["id"])
    wait_for(lambda: status_of(url, job) == "completed")
    return job


def refused(url: str) -> bool:
    """Whether nothing new is taken."""
    return fetch(url, "/v1/responses", method="POST", body=LARGE)[0] == 503


def test_invariant_12_stored_is_readable_while_the_disk_is_full(stack: Stack, full: SmallDisk) -> None:
    url = stack.url
    old = [completed(url, f"old {number} [[demo tokens=2000]]") for number in range(3)]
    texts = [fetch(url, f"/v1/responses/{job}")[1] for job in old]
    reserve = stack.directory / "penstock.db-reserve"
    wait_for(reserve.exists)
    job = create(url, input="goes on [[demo tokens=3000 rate=300 seed=1]]")["id"]
    with stack.client() as client:
        viewer = Viewer(client, job)
        viewer.seen(10)
        full.fill()
        wait_for(lambda: refused(url))
        with pytest.raises(redis.ResponseError, match="MISCONF"):
            wait_for(lambda: stack.redis.set("x", b"x" * 1000) is None)
        status, body = fetch(url, "/v1/responses", method="POST", body=LARGE)
        assert (status, body["error"]["code"]) == (503, "disk_full")
        assert "disk is full" in body["error"]["message"]
        page = httpx2.post(
            f"{url}/jobs", data={"request.input": "y" * 900_000}, headers={"Accept-Language": "zh"}, trust_env=False
        )
        assert page.status_code == 503
        assert "磁盘已满" in page.text
        assert [fetch(url, f"/v1/responses/{job}")[1] for job in old] == texts
        for gone in old[:2]:
            assert fetch(url, f"/v1/responses/{gone}", method="DELETE")[0] == 200
        assert [each["id"] for each in fetch(url, "/v1/responses")[1]["data"]] == [job, old[2]]
        stack.model.wait("goes on", "finished")
        full.empty()
        wait_for(lambda: status_of(url, job) == "completed")
        seen = viewer.ended()
        assert_in_order(seen)
        assert assert_one_end(stack.database, job, seen)["penstock"]["attempt"] == 1
        assert stack.model.stats("goes on")["requests"] == 1
    assert stack.workers[0].is_running
    assert stack.webs[0].is_running
    completed(url, "afterwards [[demo tokens=3]]")
    wait_for(reserve.exists)


def test_deleting_works_again_and_again_on_a_full_disk(stack: Stack, full: SmallDisk) -> None:
    url = stack.url
    old = [completed(url, f"again {number} [[demo tokens=4000]]") for number in range(12)]
    for job in old:
        full.fill()  # whatever the deletion before gave back is taken at once
        assert fetch(url, f"/v1/responses/{job}", method="DELETE")[0] == 200


def test_deleting_works_after_a_reader_kept_the_log_from_being_written_back(stack: Stack, full: SmallDisk) -> None:
    url = stack.url
    old = [completed(url, f"read {number} [[demo tokens=4000]]") for number in range(4)]
    with closing(sqlite3.connect(stack.directory / "penstock.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM jobs").fetchall()
        full.fill()
        assert fetch(url, f"/v1/responses/{old[0]}", method="DELETE")[0] == 200
    for job in old[1:]:
        full.fill()
        assert fetch(url, f"/v1/responses/{job}", method="DELETE")[0] == 200


def test_a_reserve_is_as_large_as_there_is_room_and_whole_later(disk: SmallDisk, full: SmallDisk) -> None:
    database = Database(f"sqlite:///{disk.path / 'other.db'}")
    reserve = disk.path / "other.db-reserve"
    full.fill(leave=2 << 20)
    DiskReserve(database).keep()
    assert 1 << 20 < reserve.stat().st_size <= 2 << 20
    full.empty()
    DiskReserve(database).keep()
    assert reserve.stat().st_size == 6 << 20
    database.engine.dispose()
    reserve.unlink()


def test_children_that_cannot_work_are_started_until_they_can(disk: SmallDisk, full: SmallDisk) -> None:
    with running(disk.path / "up", "--demo", PENSTOCK_LEASE_SECONDS="4") as penstock:
        job = completed(penstock.url, "[[demo tokens=50]]")
        later = create(penstock.url, input="later [[demo tokens=1000 rate=200]]")["id"]
        wait_for(lambda: status_of(penstock.url, later) == "in_progress")
        full.fill()
        penstock.kill("redis-server")
        for _ in range(5):  # as often as makes `up` give up while there is room
            penstock.kill("worker")
        wait_for(lambda: len(re.findall("died", penstock.words)) == 6)
        assert penstock.process.poll() is None
        assert status_of(penstock.url, job) == "completed"
        full.empty()
        wait_for(lambda: status_of(penstock.url, later) == "completed", 60)
        completed(penstock.url, "afterwards [[demo tokens=3]]")

"""Batches in the database: a file is read once and whole, its jobs are stored in slices, and it ends when they have."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import RowMapping, select, update

from jobs.errors import InvalidRequest, NotFound
from jobs.job import Status
from jobs.limits import OwnerLimits
from jobs.requests.batch_line import CHAT_COMPLETIONS, RESPONSES
from jobs.settings import Settings
from jobs.storage.access.owner_limits import LimitRegistry
from jobs.storage.batches.batches import ERROR, OUTPUT, Batches
from jobs.storage.batches.files import FileLimits, Files
from jobs.storage.batches.tables import batches, files
from jobs.storage.batches.work import BatchWork
from jobs.storage.lists.owned_rows import PageOf
from jobs.storage.rows import select_jobs
from jobs.storage.schema import jobs
from jobs.storage.webhooks.deliveries import WebhookDeliveries
from jobs.storage.webhooks.endpoints import WebhookEndpoints
from jobs.webhooks.events import EVENT_TYPES
from tests.support.job_factory import JobFactory
from worker.batches import batch_keeper
from worker.batches.batch_keeper import BatchKeeper

MANY = FileLimits(1 << 20, 1 << 20)


def line(custom_id: str, url: str = RESPONSES, **body: Any) -> bytes:
    body = body or {"model": "demo", "input": f"text of {custom_id}"}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body}).encode()


class BatchOwner:
    """An owner of the test's own, and a worker's keeper of batches."""

    def __init__(self, factory: JobFactory) -> None:
        self.owner = f"owner-{secrets.token_hex(8)}"
        self.factory = factory
        self.files = Files(factory.database)
        self.batches = Batches(factory.database)
        self.work = BatchWork(factory.database)

    def keeper(self, **limits: int) -> BatchKeeper:
        registry = LimitRegistry(self.factory.database, OwnerLimits(**limits))
        return BatchKeeper(self.factory.database, Settings.load(max_batch_lines=20), registry)

    def batch(self, *lines: bytes, endpoint: str = RESPONSES) -> RowMapping:
        file = self.files.create(self.owner, "some.jsonl", [b"\n".join(lines)], None, MANY)
        values = {"input_file_id": file["id"], "endpoint": endpoint, "metadata": {"a": "b"}, "model": None}
        return self.batches.create(self.owner, values)

    def step(self, batch: RowMapping, **limits: int) -> RowMapping:
        """The batch after a keeper has looked after it once."""
        self.keeper(**limits)._step(self.batches.get(self.owner, batch["id"]))
        return self.batches.get(self.owner, batch["id"])

    def jobs(self, batch: RowMapping) -> list[Any]:
        query = (
            select_jobs().add_columns(jobs.c.custom_id).where(jobs.c.batch_id == batch["id"]).order_by(jobs.c.custom_id)
        )
        with self.factory.database.read() as connection:
            return list(connection.execute(query).mappings())

    def finish(self, batch: RowMapping, statuses: Iterable[Status]) -> None:
        for row, status in zip(self.jobs(batch), statuses, strict=True):
            claim = self.factory.attempts.claim_one(row["id"], row["id"])
            assert claim is not None
            self.factory.finish(claim, status)

    def change(self, batch: RowMapping, **values: Any) -> None:
        with self.factory.database.write() as connection:
            connection.execute(update(batches).where(batches.c.id == batch["id"]).values(values))

    def events(self) -> list[tuple[str, str]]:
        deliveries = WebhookDeliveries(self.factory.database).page(self.owner, PageOf(100))
        return [(row["event_type"], row["object_id"]) for row in deliveries]


@pytest.fixture
def owner(job_factory: JobFactory) -> BatchOwner:
    made = BatchOwner(job_factory)
    WebhookEndpoints(job_factory.database).create(made.owner, "all", "https://example.com", EVENT_TYPES)
    return made


def test_lines_become_jobs_of_the_slow_lane_and_their_ends_the_files(owner: BatchOwner) -> None:
    batch = owner.batch(line("a"), b"", line("b"), line("c"), b"  ")
    batch = owner.step(batch)
    assert (batch["status"], batch["total"]) == ("in_progress", 3)
    rows = owner.jobs(batch)
    assert [row["custom_id"] for row in rows] == ["a", "b", "c"]
    assert {(row["owner"], row["tier"], row["status"]) for row in rows} == {(owner.owner, 1, "queued")}
    assert owner.step(batch)["status"] == "in_progress"
    owner.finish(batch, [Status.COMPLETED, Status.FAILED, Status.INCOMPLETE])
    batch = owner.step(batch)
    assert batch["status"] == "completed"
    assert owner.batches.counts([batch])[batch["id"]] == (3, 2, 1)
    assert sorted(each.custom_id for each in owner.batches.lines(batch["id"], OUTPUT)) == ["a", "c"]
    assert [each.custom_id for each in owner.batches.lines(batch["id"], ERROR)] == ["b"]
    for kind in (OUTPUT, ERROR):
        file = owner.files.get(owner.owner, batch[f"{kind}_file_id"])
        assert (file["purpose"], file["batch_id"], file["kind"]) == ("batch_output", batch["id"], kind)
        assert file["bytes"] > 100
    assert owner.events() == [("batch.completed", batch["id"])]  # one for the batch, none for its jobs


def test_a_file_is_refused_whole_with_each_line_and_its_reason(owner: BatchOwner) -> None:
    batch = owner.batch(
        line("good"),
        b"no JSON",
        line("good"),
        line("chat", url=CHAT_COMPLETIONS),
        line("streams", input="x", model="demo", stream=True),
        line("item", model="demo", input=[{"type": "item_reference", "id": "msg_1"}]),
        line("modelless", input="x"),
        line("", input="x", model="demo"),
        line("hot", input="x", model="demo", temperature=9),
    )
    batch = owner.step(batch)
    assert batch["status"] == "failed"
    errors = json.loads(batch["errors"])
    assert [error["line"] for error in errors] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert "custom_id" in errors[1]["param"]
    for error, word in zip(errors[2:6], ["chat", "stream", "item_reference", "model"], strict=True):
        assert word in error["message"]
    assert errors[7]["param"] == "temperature"
    assert owner.jobs(batch) == []
    assert owner.events() == [("batch.failed", batch["id"])]


@pytest.mark.parametrize(
    ("lines", "limits", "words"),
    [(0, {}, "no lines"), (2, {"jobs_queued": 1}, "1 jobs waiting"), (21, {}, "at most 20 lines")],
)
def test_a_file_of_the_wrong_length_is_refused(
    owner: BatchOwner, lines: int, limits: dict[str, int], words: str
) -> None:
    batch = owner.step(owner.batch(*[line(str(number)) for number in range(lines)]), **limits)
    assert batch["status"] == "failed"
    assert words in json.loads(batch["errors"])[0]["message"]


def test_a_worker_goes_on_where_another_died_and_never_beside_it(
    owner: BatchOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_keeper, "_LINES_AT_ONCE", 2)
    batch = owner.batch(*[line(str(number)) for number in range(5)])
    real = BatchWork.store
    monkeypatch.setattr(BatchWork, "store", lambda work, row, stored, some: stored == 0 and real(work, row, 0, some))
    assert owner.step(batch)["stored_lines"] == 2
    monkeypatch.setattr(BatchWork, "store", real)
    assert owner.step(batch)["stored_lines"] == 2  # the other's claim still holds
    owner.change(batch, claimed_until=0)
    assert not owner.work.store(batch, 0, [])  # what was stored already is not stored again
    batch = owner.step(batch)
    assert (batch["status"], batch["total"]) == ("in_progress", 5)
    assert [row["custom_id"] for row in owner.jobs(batch)] == list("01234")


def test_a_cancelled_batch_keeps_what_is_finished(owner: BatchOwner) -> None:
    batch = owner.step(owner.batch(line("a"), line("b"), line("c")))
    first, second, _third = owner.jobs(batch)
    claims = [owner.factory.attempts.claim_one(row["id"], row["id"]) for row in (first, second)]
    assert claims[0] is not None
    assert claims[1] is not None
    owner.factory.finish(claims[0])
    assert owner.batches.cancel(owner.owner, batch["id"])["status"] == "cancelling"
    assert owner.step(batch)["status"] == "cancelling"  # one still runs
    assert [row["status"] for row in owner.jobs(batch)] == ["completed", "in_progress", "cancelled"]
    assert owner.factory.attempts.held(second["id"])[second["id"]].cancel
    owner.factory.finish(claims[1], Status.CANCELLED)
    batch = owner.step(batch)
    assert batch["status"] == owner.batches.cancel(owner.owner, batch["id"])["status"] == "cancelled"
    assert sorted(each.custom_id for each in owner.batches.lines(batch["id"], ERROR)) == ["b", "c"]
    assert owner.events() == [("batch.cancelled", batch["id"])]


def test_a_batch_expires_after_a_day(owner: BatchOwner) -> None:
    batch = owner.step(owner.batch(line("a")))
    owner.change(batch, expires_at=time.time() - 1)
    assert owner.step(batch)["status"] == "cancelling"
    assert owner.step(batch)["status"] == "expired"
    assert owner.events() == [("batch.expired", batch["id"])]
    with pytest.raises(InvalidRequest, match="expired"):
        owner.batches.cancel(owner.owner, batch["id"])


def test_a_batch_that_is_cancelled_while_it_is_read_is_read_no_further(owner: BatchOwner) -> None:
    batch = owner.batch(line("a"))
    owner.batches.cancel(owner.owner, batch["id"])
    assert not owner.work.claim(batch)
    assert not owner.work.renew(batch)
    assert not owner.work.store(batch, 0, [])
    assert owner.step(batch)["status"] == "cancelled"
    assert owner.jobs(batch) == []


def test_jobs_of_a_batch_are_found_by_their_words(owner: BatchOwner) -> None:
    batch = owner.step(owner.batch(line("a", model="demo", input="hippopotamus")))
    while owner.factory.store.lists.ids(owner.owner, words="hippopotamus") == []:
        owner.factory.store.index_some()
    assert len(owner.jobs(batch)) == 1


def test_files_have_lines_whatever_their_pieces_and_belong_to_somebody(owner: BatchOwner) -> None:
    file = owner.files.create(owner.owner, "f", [b"one\ntw", b"o\nthree"], time.time() + 60, MANY)
    assert list(owner.files.lines(file["id"], 99)) == [b"one", b"two", b"three"]
    assert list(owner.files.lines(file["id"], 1)) == [b"one", b"tw"]
    assert (file["bytes"], b"".join(owner.files.pieces(file["id"]))) == (13, b"one\ntwo\nthree")
    assert [row["id"] for row in owner.files.page(owner.owner, PageOf(9), "batch")] == [file["id"]]
    batch = owner.batch(line("a"))
    for refused in (
        lambda: owner.files.get("other", file["id"]),
        lambda: owner.files.delete("other", file["id"]),
        lambda: owner.batches.get("other", batch["id"]),
        lambda: owner.batches.cancel("other", batch["id"]),
    ):
        with pytest.raises(NotFound):
            refused()
    with pytest.raises(InvalidRequest, match="at most 3 bytes"):
        owner.files.create(owner.owner, "f", [b"ab", b"cd"], None, FileLimits(3, 1 << 20))
    with pytest.raises(InvalidRequest, match="15 bytes together"):
        owner.files.create(owner.owner, "f", [b"ab", b"cd"], None, FileLimits(99, 15))
    assert len(owner.files.page(owner.owner, PageOf(9))) == 2
    owner.files.delete(owner.owner, file["id"])
    assert list(owner.files.lines(file["id"], 99)) == []


def test_files_expire_and_so_do_uploads_that_broke_off(owner: BatchOwner) -> None:
    def broken() -> Iterable[bytes]:
        yield b"a"
        raise ConnectionError

    expired = owner.files.create(owner.owner, "f", [b"x"], time.time() - 1, MANY)
    with pytest.raises(ConnectionError):
        owner.files.create(owner.owner, "f", broken(), None, MANY)
    owner.files.forget_expired()
    with pytest.raises(NotFound):
        owner.files.get(owner.owner, expired["id"])
    with owner.factory.database.write() as connection:
        left = select(files.c.id).where(files.c.owner == owner.owner)
        [upload] = connection.execute(left).scalars()
        connection.execute(update(files).where(files.c.id == upload).values(created_at=0))
    owner.files.forget_expired()
    with owner.factory.database.read() as connection:
        assert connection.execute(left).scalars().all() == []

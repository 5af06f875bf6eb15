"""Deliveries in the database: noted with the end, claimed once, tried again for days, seen by their owner only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select, update

from jobs.errors import InvalidRequest, NotFound
from jobs.job import Job, Status
from jobs.storage.database import Database
from jobs.storage.lists.owned_rows import PageOf
from jobs.storage.schema import webhook_deliveries
from jobs.storage.webhooks.deliveries import Attempt, Outcome, WebhookDeliveries, status_of
from jobs.storage.webhooks.endpoints import MOST_ENDPOINTS, Endpoint, WebhookEndpoints, job_endpoint_id
from jobs.webhooks.events import EVENT_TYPES
from tests.support.job_factory import JobFactory, accepted

PAGE = PageOf(100)
OK, BROKEN = Outcome(200), Outcome(500)


class Webhooks:
    """The webhooks of an owner of the test's own."""

    def __init__(self, jobs: JobFactory) -> None:
        self.owner = f"owner-{secrets.token_hex(8)}"
        self.jobs = jobs
        self.endpoints = WebhookEndpoints(jobs.database)
        self.deliveries = WebhookDeliveries(jobs.database)

    def endpoint(self, *event_types: str, url: str = "https://example.com/hook") -> Endpoint:
        return self.endpoints.create(self.owner, "name", url, event_types or EVENT_TYPES)[0]

    def ended(self, status: Status = Status.COMPLETED, **body: Any) -> Job:
        job = self.jobs.store.accept(self.owner, accepted(**body))
        self.jobs.finish(self.jobs.claim(job), status)
        return job

    def rows(self) -> list[Mapping[str, Any]]:
        return [dict(row) for row in self.deliveries.page(self.owner, PAGE)]

    def claimed(self) -> Attempt:
        """The next attempt of the owner: the database is shared with other tests."""
        others = {row.owner for row in _read(self.jobs.database, select(webhook_deliveries.c.owner))} - {self.owner}
        attempt = self.deliveries.claim(others)
        assert attempt is not None
        return attempt

    def change(self, **values: Any) -> None:
        with self.jobs.database.write() as connection:
            mine = update(webhook_deliveries).where(webhook_deliveries.c.owner == self.owner)
            connection.execute(mine.values(values))


def _read(database: Database, query: Any) -> Any:
    with database.read() as connection:
        return connection.execute(query).all()


@pytest.fixture
def webhooks(job_factory: JobFactory) -> Webhooks:
    return Webhooks(job_factory)


@pytest.mark.parametrize("status", [status for status in Status if status.is_terminal])
def test_an_end_is_noted_once_for_each_endpoint_that_wants_it(webhooks: Webhooks, status: Status) -> None:
    wanted = webhooks.endpoint()
    webhooks.endpoint(*(name for name in EVENT_TYPES if name != f"response.{status}"))
    job = webhooks.ended(status)
    [row] = webhooks.rows()
    assert (row["endpoint_id"], row["event_type"], row["object_id"]) == (wanted.id, f"response.{status}", job.id)
    assert status_of(row) == "pending"


def test_a_job_that_never_ran_is_told_too(webhooks: Webhooks) -> None:
    webhooks.endpoint()
    job = webhooks.jobs.store.accept(webhooks.owner, accepted())
    webhooks.jobs.store.request_cancel(webhooks.owner, job.id)
    assert [row["event_type"] for row in webhooks.rows()] == ["response.cancelled"]


def test_an_end_that_is_refused_is_not_told(webhooks: Webhooks) -> None:
    webhooks.endpoint()
    job = webhooks.jobs.store.accept(webhooks.owner, accepted())
    claim = webhooks.jobs.claim(job)
    webhooks.jobs.rescue(claim)
    webhooks.jobs.finish(claim)
    assert webhooks.rows() == []


def test_who_waits_for_the_answer_is_not_told_again(webhooks: Webhooks) -> None:
    webhooks.endpoint()
    webhooks.ended(background=False)
    assert webhooks.rows() == []


def test_a_job_names_an_address_of_its_own_beside_the_endpoints(webhooks: Webhooks) -> None:
    endpoint = webhooks.endpoint()
    secret = webhooks.endpoints.new_job_secret(webhooks.owner, keep_old=False)
    webhooks.ended(penstock={"webhook": "https://example.com/own"})
    assert {(row["endpoint_id"], row["url"]) for row in webhooks.rows()} == {
        (endpoint.id, None),
        (job_endpoint_id(webhooks.owner), "https://example.com/own"),
    }
    own = next(attempt for attempt in (webhooks.claimed(), webhooks.claimed()) if attempt.url.endswith("/own"))
    assert own.secrets == (secret,)
    webhooks.ended()
    assert len(webhooks.rows()) == 3  # the secret is no endpoint of its own


def test_an_attempt_is_claimed_once_and_made_again_when_its_worker_dies(webhooks: Webhooks) -> None:
    endpoint = webhooks.endpoint()
    webhooks.ended()
    first = webhooks.claimed()
    assert (first.number, first.url, first.endpoint_id) == (1, endpoint.url, endpoint.id)
    with pytest.raises(AssertionError):
        webhooks.claimed()
    webhooks.change(due_at=time.time() - 1)  # the claim has run out
    second = webhooks.claimed()
    assert (second.id, second.number) == (first.id, 2)
    webhooks.deliveries.settle(first, OK)
    assert status_of(webhooks.rows()[0]) == "pending"  # an attempt that was replaced changes nothing
    webhooks.deliveries.settle(second, OK)
    assert status_of(webhooks.rows()[0]) == "delivered"


def test_it_is_tried_again_later_and_later_for_three_days(webhooks: Webhooks) -> None:
    webhooks.endpoint()
    webhooks.ended()
    delays, waited = [], 0.0
    while webhooks.rows()[0]["due_at"] is not None:
        webhooks.change(due_at=time.time() - 1)
        attempt = webhooks.claimed()
        webhooks.deliveries.settle(attempt, BROKEN)
        [row] = webhooks.rows()
        if row["due_at"] is not None:
            delays.append(row["due_at"] - time.time())
            waited += delays[-1]
            webhooks.change(expires_at=row["expires_at"] - delays[-1])
    assert 4 < delays[0] < 7
    assert all(later > earlier * 1.5 for earlier, later in zip(delays[:6], delays[1:7], strict=True))
    assert max(delays) < 5 * 3600
    assert 60 * 3600 < waited <= 72 * 3600
    assert status_of(row) == "failed"
    assert row["status_code"] == 500


def test_a_delivery_that_is_over_is_sent_again_on_request(webhooks: Webhooks) -> None:
    webhooks.endpoint()
    webhooks.ended()
    delivery_id = webhooks.rows()[0]["id"]
    with pytest.raises(InvalidRequest, match="still being tried"):
        webhooks.deliveries.resend(webhooks.owner, delivery_id)
    webhooks.deliveries.settle(webhooks.claimed(), OK)
    assert status_of(webhooks.deliveries.resend(webhooks.owner, delivery_id)) == "pending"
    again = webhooks.claimed()
    assert again.id == delivery_id
    webhooks.deliveries.settle(again, Outcome(problem="timeout"))
    [row] = webhooks.rows()
    assert (row["problem"], row["status_code"], status_of(row)) == ("timeout", None, "pending")


def test_busy_endpoints_and_owners_are_left_out(webhooks: Webhooks) -> None:
    hanging, other = webhooks.endpoint(), webhooks.endpoint()
    webhooks.ended()
    others = {row.owner for row in _read(webhooks.jobs.database, select(webhook_deliveries.c.owner))} - {webhooks.owner}
    assert webhooks.deliveries.claim({*others, webhooks.owner}) is None
    attempt = webhooks.deliveries.claim({*others, hanging.id})
    assert attempt is not None
    assert attempt.endpoint_id == other.id


def test_a_rotated_secret_signs_for_a_day_beside_the_new_one(webhooks: Webhooks) -> None:
    endpoint, old = webhooks.endpoints.create(webhooks.owner, "name", "https://example.com", EVENT_TYPES)
    new = webhooks.endpoints.rotate(webhooks.owner, endpoint.id, keep_old=True)
    webhooks.ended()
    assert webhooks.claimed().secrets == (new, old)
    newest = webhooks.endpoints.rotate(webhooks.owner, endpoint.id, keep_old=False)
    webhooks.change(due_at=time.time() - 1)
    assert webhooks.claimed().secrets == (newest,)


def test_another_owner_has_none_of_it(webhooks: Webhooks) -> None:
    endpoint = webhooks.endpoint()
    webhooks.ended()
    delivery_id = webhooks.rows()[0]["id"]
    endpoints, deliveries = webhooks.endpoints, webhooks.deliveries
    for refused in (
        lambda: endpoints.get("other", endpoint.id),
        lambda: endpoints.change("other", endpoint.id, {"name": "mine"}),
        lambda: endpoints.rotate("other", endpoint.id, keep_old=True),
        lambda: endpoints.delete("other", endpoint.id),
        lambda: endpoints.get(webhooks.owner, job_endpoint_id(webhooks.owner)),
        lambda: deliveries.get("other", delivery_id),
        lambda: deliveries.resend("other", delivery_id),
        lambda: deliveries.page("other", PageOf(10, delivery_id)),
    ):
        with pytest.raises(NotFound):
            refused()
    assert endpoints.page("other", PAGE) == []
    assert endpoints.get(webhooks.owner, endpoint.id) == endpoint


def test_an_endpoint_takes_its_deliveries_with_it(webhooks: Webhooks) -> None:
    endpoint = webhooks.endpoint()
    webhooks.ended()
    webhooks.endpoints.delete(webhooks.owner, endpoint.id)
    assert webhooks.rows() == []


def test_an_owner_has_so_many_endpoints(webhooks: Webhooks) -> None:
    for _ in range(MOST_ENDPOINTS):
        webhooks.endpoint()
    with pytest.raises(InvalidRequest, match="delete one first"):
        webhooks.endpoint()


def test_old_deliveries_are_forgotten_once_they_are_over(webhooks: Webhooks) -> None:
    webhooks.endpoint()
    webhooks.ended()
    webhooks.ended()
    webhooks.deliveries.settle(webhooks.claimed(), OK)
    webhooks.change(created_at=time.time() - 31 * 86_400)
    webhooks.deliveries.forget_old()
    assert [status_of(row) for row in webhooks.rows()] == ["pending"]

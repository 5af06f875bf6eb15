"""Who waits for a job without `background`, in rows: the last to leave, or to die, ends what nobody wants any more."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from jobs.errors import InvalidRequest, JobNotFound
from jobs.job import Job, Status
from jobs.requests.job_request import JobRequest
from jobs.storage.acceptance import hash_of
from jobs.storage.database import Database
from jobs.storage.waiters import Unwanted, WaiterRegistry, new_waiter_id
from tests.support.assertions import assert_one_end
from tests.support.job_factory import OWNER, JobFactory, accepted


@pytest.fixture
def registry(database: Database) -> WaiterRegistry:
    return WaiterRegistry(database)


def attached(job_factory: JobFactory, *, store: bool = True) -> tuple[Job, str]:
    """A job without `background`, and the connection that waits for it."""
    waiter = new_waiter_id()
    request = accepted(input=secrets.token_hex(8), background=False, store=store)
    return job_factory.store.accept(OWNER, request, waiter=waiter), waiter


def again(
    job_factory: JobFactory, request: JobRequest, waiter: str, key: str | None = None, client_retry: int = 0
) -> Job:
    return job_factory.store.accept(OWNER, request, idempotency_key=key, client_retry=client_retry, waiter=waiter)


def test_leaving_ends_what_never_ran_and_asks_for_the_end_of_what_runs(
    job_factory: JobFactory, registry: WaiterRegistry
) -> None:
    queued, waiter = attached(job_factory)
    assert registry.leave(waiter) == Unwanted(queued.id, is_running=False, is_removed=False)
    assert_one_end(job_factory.database, queued.id)
    running, waiter = attached(job_factory)
    job_factory.claim(running)
    assert registry.leave(waiter) == Unwanted(running.id, is_running=True, is_removed=False)
    assert job_factory.get(running.id).cancel_requested_at is not None
    assert registry.leave(waiter) is None


def test_what_was_not_to_be_stored_goes_with_its_last_waiter(job_factory: JobFactory, registry: WaiterRegistry) -> None:
    answered, waiter = attached(job_factory, store=False)
    job_factory.finish(job_factory.claim(answered))
    assert answered.id not in registry.forget_unstored()
    assert registry.leave(waiter) == Unwanted(answered.id, is_running=False, is_removed=True)
    left, waiter = attached(job_factory, store=False)
    claim = job_factory.claim(left)
    registry.leave(waiter)
    job_factory.finish(claim, Status.CANCELLED)
    assert left.id in registry.forget_unstored()
    for job in (answered, left):
        with pytest.raises(JobNotFound):
            job_factory.get(job.id)


def test_a_dead_waiter_is_judged_by_its_counter(job_factory: JobFactory, registry: WaiterRegistry) -> None:
    job, waiter = attached(job_factory)
    seen = {name: counter for name, counter, _ in registry.rows()}[waiter]
    registry.renew([waiter])
    assert registry.leave(waiter, seen) is None
    assert job_factory.get(job.id).status is Status.QUEUED
    assert registry.leave(waiter, seen + 1) is not None


@pytest.mark.parametrize("key", [None, "key"])
def test_a_second_try_waits_for_the_same_job_and_keeps_it_alive(
    job_factory: JobFactory, registry: WaiterRegistry, key: str | None
) -> None:
    """The first connection broke, and whoever held it is slow to notice, or dead."""
    key = key and secrets.token_hex(8)
    request = accepted(input=secrets.token_hex(8), background=False)
    first, second = new_waiter_id(), new_waiter_id()
    job = again(job_factory, request, first, key)
    job_factory.claim(job)
    assert again(job_factory, request, second, key, client_retry=1).id == job.id
    assert registry.leave(first) is None
    assert job_factory.get(job.id).cancel_requested_at is None
    assert registry.leave(second) == Unwanted(job.id, is_running=True, is_removed=False)


def test_a_key_whose_job_was_left_makes_a_new_one(job_factory: JobFactory, registry: WaiterRegistry) -> None:
    key, first = secrets.token_hex(8), new_waiter_id()
    request = accepted(input=secrets.token_hex(8), background=False)
    left = again(job_factory, request, first, key)
    registry.leave(first)
    assert job_factory.get(left.id).status is Status.CANCELLED
    job = again(job_factory, request, new_waiter_id(), key)
    assert job.id != left.id
    assert again(job_factory, request, new_waiter_id(), key).id == job.id


def test_of_two_that_wait_at_once_each_has_the_answer(job_factory: JobFactory, registry: WaiterRegistry) -> None:
    key, request = secrets.token_hex(8), accepted(input=secrets.token_hex(8), background=False, store=False)
    connections = [new_waiter_id() for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda waiter: again(job_factory, request, waiter, key).id, connections))
        (job_id,) = set(made)
        job_factory.finish(job_factory.claim(job_factory.get(job_id)))
        for waiter in connections[1:]:
            assert job_factory.get(job_id).response
            assert registry.leave(waiter) is None
        assert registry.leave(connections[0]) == Unwanted(job_id, is_running=False, is_removed=True)


def test_of_those_who_leave_at_once_one_is_the_last(job_factory: JobFactory, registry: WaiterRegistry) -> None:
    for _ in range(10):
        key, request = secrets.token_hex(8), accepted(input=secrets.token_hex(8), background=False)
        connections = [new_waiter_id() for _ in range(4)]
        for waiter in connections:
            again(job_factory, request, waiter, key)
        with ThreadPoolExecutor(4) as threads:
            left = list(threads.map(registry.leave, connections))
        assert sum(unwanted is not None for unwanted in left) == 1


def test_a_body_that_is_sent_again_is_known_before_it_is_validated(job_factory: JobFactory) -> None:
    body = json.dumps({"input": secrets.token_hex(8)}).encode()
    key, sent = secrets.token_hex(8), hash_of(body)
    job = job_factory.store.accept(OWNER, accepted(), body_hash=sent, idempotency_key=key)
    assert job_factory.store.earlier(OWNER, sent, idempotency_key=None, client_retry=0) is None
    for found in (
        job_factory.store.earlier(OWNER, sent, idempotency_key=key, client_retry=0),
        job_factory.store.earlier(OWNER, sent, idempotency_key=None, client_retry=1),
    ):
        assert found is not None
        assert found.id == job.id
    assert job_factory.store.earlier("another", sent, idempotency_key=key, client_retry=1) is None
    with pytest.raises(InvalidRequest, match="used with another body"):
        job_factory.store.earlier(OWNER, hash_of(body + b" "), idempotency_key=key, client_retry=0)


def test_an_accept_of_which_nobody_heard_is_not_made_twice(job_factory: JobFactory) -> None:
    """The connection broke in the COMMIT: the same rows once more."""
    request = replace(accepted(background=False), metadata={"a": "b"})
    waiter = new_waiter_id()
    job = again(job_factory, request, waiter, client_retry=1)
    assert again(job_factory, request, waiter, client_retry=2).id == job.id

"""What the web does with jobs, on SQLite and PostgreSQL: accept, look up, list, cancel, delete."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from jobs.errors import InvalidRequest, JobNotFound
from jobs.job import Status
from jobs.protocol import events
from jobs.protocol.fold import fold
from jobs.protocol.ids import new_job_id
from jobs.protocol.transcript import read
from jobs.storage.attempts import Checkpoint, Finish, Held, Replaced
from jobs.storage.ending import end_unstarted
from jobs.storage.lists.filters import Sort
from tests.support.assertions import assert_one_end
from tests.support.job_factory import OWNER, JobFactory, accepted

RACERS, ALL = 8, 10**6


def test_an_accepted_job_is_kept_as_it_was_asked_for(job_factory: JobFactory) -> None:
    request = accepted(input="\x00 \u2028 🌊 翠花", instructions="be brief", metadata={"a": "b"})
    job = job_factory.store.accept(OWNER, request)
    assert job == job_factory.get(job.id)
    assert (job.status, job.attempt, job.rescues, job.request) == (Status.QUEUED, 0, 0, request)
    created, queued = events.events_of(events.split(job.initial_frames))
    assert [created["sequence_number"], queued["sequence_number"]] == [0, 1]
    assert created["response"] == queued["response"] == fold([created, queued])
    assert job_factory.store.transcript(job.id) is None


def test_a_key_gives_the_same_job_again(job_factory: JobFactory) -> None:
    key, request = secrets.token_hex(8), accepted()
    job = job_factory.store.accept(OWNER, request, idempotency_key=key)
    assert job_factory.store.accept(OWNER, request, idempotency_key=key).id == job.id
    assert job_factory.store.accept("another", request, idempotency_key=key).id != job.id
    assert job_factory.store.accept(OWNER, request).id != job_factory.store.accept(OWNER, request).id
    with pytest.raises(InvalidRequest, match="used with another body"):
        job_factory.store.accept(OWNER, accepted(input="else"), idempotency_key=key)


def test_a_key_that_many_use_at_once_makes_one_job(job_factory: JobFactory) -> None:
    request = accepted()
    with ThreadPoolExecutor(RACERS) as threads:
        for key in [secrets.token_hex(8) for _ in range(5)]:
            accept = partial(job_factory.store.accept, idempotency_key=key)
            made = threads.map(accept, [OWNER] * RACERS, [request] * RACERS)
            assert len({job.id for job in made}) == 1


def test_invariant_8_owner_only_in_the_database(job_factory: JobFactory) -> None:
    job = job_factory.accept()
    for use in (
        lambda: job_factory.store.get("another", job.id),
        lambda: job_factory.store.request_cancel("another", job.id),
        lambda: job_factory.store.delete("another", job.id),
        lambda: job_factory.store.lists.page("another", limit=9, after=job.id),
        lambda: job_factory.get(new_job_id()),
        lambda: job_factory.get("resp_' OR 1=1 --"),
    ):
        with pytest.raises(JobNotFound, match="not found"):
            use()
    assert job.id not in [other.id for other in job_factory.store.lists.page("another", limit=ALL)]
    assert job_factory.get(job.id) == job


def test_pages_hold_each_job_once(job_factory: JobFactory) -> None:
    owner = secrets.token_hex(4)
    made = [job_factory.accept(owner).id for _ in range(7)]
    for sort in (Sort.NEWEST, Sort.OLDEST):
        found, last = list[str](), None
        while page := job_factory.store.lists.page(owner, limit=3, after=last, sort=sort):
            found += [job.id for job in page]
            last = found[-1]
        assert found == (made[::-1] if sort is Sort.NEWEST else made)
    job_factory.store.request_cancel(owner, made[2])
    assert [job.id for job in job_factory.store.lists.page(owner, limit=9, status=Status.CANCELLED)] == [made[2]]
    assert job_factory.store.statuses([*made[1:3], new_job_id()]) == {made[1]: Status.QUEUED, made[2]: Status.CANCELLED}


def test_the_same_jobs_are_listed_counted_and_named(job_factory: JobFactory) -> None:
    owner = secrets.token_hex(4)
    made = [job_factory.store.accept(owner, accepted(input=f"Number {number}")).id for number in range(4)]
    variables = {"topic": "Number Nip"}
    told = [
        job_factory.store.accept(owner, accepted(prompt={"id": "story", "variables": variables})).id for _ in range(3)
    ]
    job_factory.accept(secrets.token_hex(4))
    for job_id in (made[0], told[0]):
        job_factory.store.request_cancel(owner, job_id)
    everything = dict.fromkeys(Status, 0) | {Status.QUEUED: 5, Status.CANCELLED: 2}
    assert job_factory.store.lists.counts(owner) == job_factory.store.lists.counts(owner, words="number") == everything
    assert job_factory.store.lists.counts(owner, prompt="story")[Status.QUEUED] == 2
    assert job_factory.store.lists.counts(owner, words="1 NUMB") == dict.fromkeys(Status, 0) | {Status.QUEUED: 1}
    searches: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [*made, *told]),
        ({"prompt": "story"}, told),
        ({"prompt": "report"}, []),
        ({"prompt": "\x00"}, []),
        ({"status": Status.CANCELLED}, [made[0], told[0]]),
        ({"status": Status.QUEUED, "prompt": "story", "words": "NIP"}, told[1:]),
    ]
    for given, found in searches:
        assert job_factory.store.lists.ids(owner, **given) == found[::-1]
        assert [job.id for job in job_factory.store.lists.page(owner, limit=9, **given)] == found[::-1]
    assert job_factory.store.lists.ids(owner, limit=2) == [*made, *told][:-3:-1]


def test_a_job_that_never_ran_is_cancelled_on_the_spot(job_factory: JobFactory) -> None:
    job = job_factory.accept()
    cancelled = job_factory.store.request_cancel(OWNER, job.id)
    assert cancelled.status is Status.CANCELLED
    assert (cancelled.words, cancelled.tokens) == (0, None)
    assert_one_end(job_factory.database, job.id)
    frames = [frame for page in read(job_factory.store.transcript(job.id) or b"") for frame in page]
    assert [events.number_of(frame) for frame in frames] == [0, 1, 2]
    assert b"".join(frames[:2]) == job.initial_frames
    assert job_factory.store.request_cancel(OWNER, job.id) == cancelled
    assert job_factory.attempts.claim_one(job.id, "w") is None


def test_a_job_that_ran_is_left_to_a_worker_to_cancel(job_factory: JobFactory) -> None:
    claim = job_factory.claim()
    asked = job_factory.store.request_cancel(OWNER, claim.job.id)
    assert asked.status is Status.IN_PROGRESS
    assert job_factory.store.request_cancel(OWNER, claim.job.id) == asked  # the first time stands
    assert job_factory.attempts.held(claim.job.id) == {claim.job.id: Held(1, asked.cancel_requested_at)}
    job_factory.requeue(claim.job.id)
    assert job_factory.store.request_cancel(OWNER, claim.job.id).status is Status.QUEUED
    again = job_factory.claim(claim.job)
    assert again.job.cancel_requested_at == asked.cancel_requested_at
    assert job_factory.finish(again, Status.CANCELLED) is Finish.DONE
    assert_one_end(job_factory.database, claim.job.id)


def test_a_claim_and_a_cancel_at_once_have_one_outcome(job_factory: JobFactory) -> None:
    with ThreadPoolExecutor(1) as threads:
        for job in [job_factory.accept() for _ in range(15)]:
            claiming = threads.submit(job_factory.attempts.claim_one, job.id, job.id)
            cancelled = job_factory.store.request_cancel(OWNER, job.id)
            assert (claiming.result() is None) == (cancelled.status is Status.CANCELLED)
            assert job_factory.get(job.id).cancel_requested_at is not None


def test_a_deleted_job_takes_all_with_it(job_factory: JobFactory) -> None:
    running, ended = job_factory.claim(), job_factory.claim()
    job_factory.attempts.checkpoint(running, Checkpoint(0, [{}], None))
    job_factory.finish(ended)
    for claim in (running, ended):
        job_factory.store.delete(OWNER, claim.job.id)
        with pytest.raises(JobNotFound):
            job_factory.store.delete(OWNER, claim.job.id)
        assert job_factory.store.transcript(claim.job.id) is None
    with pytest.raises(Replaced):
        job_factory.attempts.checkpoint(running, Checkpoint(1, [{}], None))
    assert job_factory.finish(running) is Finish.REPLACED
    assert not job_factory.attempts.give_back(running, 5)


def test_only_what_ended_long_ago_expires(job_factory: JobFactory) -> None:
    running, queued, ended = job_factory.claim().job.id, job_factory.accept().id, job_factory.claim()
    job_factory.finish(ended)
    ended_at = job_factory.get(ended.job.id).ended_at
    assert ended_at
    job_factory.store.expire(ended_at, limit=ALL)
    assert set(job_factory.store.statuses([running, queued, ended.job.id])) == {running, queued, ended.job.id}
    job_factory.store.expire(ended_at + 0.001, limit=ALL)
    assert set(job_factory.store.statuses([running, queued, ended.job.id])) == {running, queued}


def test_a_job_knows_its_newest_retry_until_that_is_deleted(job_factory: JobFactory) -> None:
    store = job_factory.store
    old = job_factory.accept()
    assert store.retried_by(OWNER, old.id) is None
    store.accept(OWNER, replace(accepted(), retry_of=old.id))
    newest = store.accept(OWNER, replace(accepted(), retry_of=old.id))
    store.accept("another", replace(accepted(), retry_of=old.id))
    assert store.retried_by(OWNER, old.id) == newest.id
    assert store.retried_by("another", old.id) is None
    store.delete(OWNER, newest.id)
    assert store.retried_by(OWNER, old.id) is None


def test_only_a_job_that_never_ran_is_ended_without_a_worker(job_factory: JobFactory) -> None:
    job = job_factory.accept()
    job_factory.claim(job)
    job_factory.requeue(job.id)  # queued again, with a log that only an attempt can end
    with job_factory.database.write() as connection:
        assert not end_unstarted(connection, job)
    assert not job_factory.get(job.id).status.is_terminal
    fresh = job_factory.accept()
    with job_factory.database.write() as connection:
        assert end_unstarted(connection, fresh)

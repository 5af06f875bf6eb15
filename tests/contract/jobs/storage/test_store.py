"""What the web does with jobs, on SQLite and PostgreSQL: accept, look up, list, cancel, delete."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
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
from tests.support.assertions import assert_one_end, row_of
from tests.support.job_factory import OWNER, JobFactory, accepted

RACERS, ALL = 8, 10**6


def test_an_accepted_job_is_kept_as_it_was_asked_for(rows: JobFactory) -> None:
    request = accepted(input="\x00 \u2028 🌊 翠花", instructions="be brief", metadata={"a": "b"})
    job = rows.store.accept(OWNER, request)
    assert job == rows.get(job.id)
    assert (job.status, job.attempt, job.rescues, job.request) == (Status.QUEUED, 0, 0, request)
    created, queued = events.events_of(events.split(job.initial_frames))
    assert [created["sequence_number"], queued["sequence_number"]] == [0, 1]
    assert created["response"] == queued["response"] == fold([created, queued])
    assert rows.store.transcript(job.id) is None


def test_a_key_gives_the_same_job_again(rows: JobFactory) -> None:
    key, request = secrets.token_hex(8), accepted()
    job = rows.store.accept(OWNER, request, idempotency_key=key)
    assert rows.store.accept(OWNER, request, idempotency_key=key).id == job.id
    assert rows.store.accept("another", request, idempotency_key=key).id != job.id
    assert rows.store.accept(OWNER, request).id != rows.store.accept(OWNER, request).id
    with pytest.raises(InvalidRequest, match="used with another body"):
        rows.store.accept(OWNER, accepted(input="else"), idempotency_key=key)


def test_a_key_that_many_use_at_once_makes_one_job(rows: JobFactory) -> None:
    request = accepted()
    with ThreadPoolExecutor(RACERS) as threads:
        for key in [secrets.token_hex(8) for _ in range(5)]:
            accept = partial(rows.store.accept, idempotency_key=key)
            made = threads.map(accept, [OWNER] * RACERS, [request] * RACERS)
            assert len({job.id for job in made}) == 1


def test_invariant_8_owner_only_in_the_database(rows: JobFactory) -> None:
    job = rows.accept()
    for use in (
        lambda: rows.store.get("another", job.id),
        lambda: rows.store.request_cancel("another", job.id),
        lambda: rows.store.delete("another", job.id),
        lambda: rows.store.page("another", limit=9, after=job.id),
        lambda: rows.get(new_job_id()),
        lambda: rows.get("resp_' OR 1=1 --"),
    ):
        with pytest.raises(JobNotFound, match="not found"):
            use()
    assert job.id not in [other.id for other in rows.store.page("another", limit=ALL)]
    assert rows.get(job.id) == job


def test_pages_hold_each_job_once(rows: JobFactory) -> None:
    owner = secrets.token_hex(4)
    made = [rows.accept(owner).id for _ in range(7)]
    for newest_first in (True, False):
        found, last = list[str](), None
        while page := rows.store.page(owner, limit=3, after=last, newest_first=newest_first):
            found += [job.id for job in page]
            last = found[-1]
        assert found == (made[::-1] if newest_first else made)
    rows.store.request_cancel(owner, made[2])
    assert [job.id for job in rows.store.page(owner, limit=9, status=Status.CANCELLED)] == [made[2]]
    assert rows.store.statuses([*made[1:3], new_job_id()]) == {made[1]: Status.QUEUED, made[2]: Status.CANCELLED}


def test_the_same_jobs_are_listed_counted_and_named(rows: JobFactory) -> None:
    owner = secrets.token_hex(4)
    made = [rows.store.accept(owner, accepted(input=f"Number {number}")).id for number in range(4)]
    variables = {"topic": "Number Nip"}
    told = [rows.store.accept(owner, accepted(prompt={"id": "story", "variables": variables})).id for _ in range(3)]
    rows.accept(secrets.token_hex(4))
    for job_id in (made[0], told[0]):
        rows.store.request_cancel(owner, job_id)
    everything = dict.fromkeys(Status, 0) | {Status.QUEUED: 5, Status.CANCELLED: 2}
    assert rows.store.counts(owner) == rows.store.counts(owner, words="number") == everything
    assert rows.store.counts(owner, prompt="story")[Status.QUEUED] == 2
    assert rows.store.counts(owner, words="ER 1") == dict.fromkeys(Status, 0) | {Status.QUEUED: 1}
    searches: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [*made, *told]),
        ({"prompt": "story"}, told),
        ({"prompt": "report"}, []),
        ({"prompt": "\x00"}, []),
        ({"status": Status.CANCELLED}, [made[0], told[0]]),
        ({"status": Status.QUEUED, "prompt": "story", "words": "NIP"}, told[1:]),
    ]
    for given, found in searches:
        assert rows.store.ids(owner, **given) == found[::-1]
        assert [job.id for job in rows.store.page(owner, limit=9, **given)] == found[::-1]
    assert rows.store.ids(owner, limit=2) == [*made, *told][:-3:-1]


def test_a_job_that_never_ran_is_cancelled_on_the_spot(rows: JobFactory) -> None:
    job = rows.accept()
    cancelled = rows.store.request_cancel(OWNER, job.id)
    assert cancelled.status is Status.CANCELLED
    assert (cancelled.words, cancelled.tokens) == (0, None)
    assert_one_end(rows.database, job.id)
    frames = [frame for page in read(rows.store.transcript(job.id) or b"") for frame in page]
    assert [events.number_of(frame) for frame in frames] == [0, 1, 2]
    assert b"".join(frames[:2]) == job.initial_frames
    assert rows.store.request_cancel(OWNER, job.id) == cancelled
    assert rows.attempts.claim_one(job.id, "w") is None


def test_a_job_that_ran_is_left_to_a_worker_to_cancel(rows: JobFactory) -> None:
    claim = rows.claim()
    asked = rows.store.request_cancel(OWNER, claim.job.id)
    assert asked.status is Status.IN_PROGRESS
    assert rows.store.request_cancel(OWNER, claim.job.id) == asked  # the first time stands
    assert rows.attempts.held(claim.job.id) == {
        claim.job.id: Held(1, asked.cancel_requested_at, claimed_at=row_of(rows.database, claim.job.id).claimed_at)
    }
    rows.requeue(claim.job.id)
    assert rows.store.request_cancel(OWNER, claim.job.id).status is Status.QUEUED
    again = rows.claim(claim.job)
    assert again.job.cancel_requested_at == asked.cancel_requested_at
    assert rows.finish(again, Status.CANCELLED) is Finish.DONE
    assert_one_end(rows.database, claim.job.id)


def test_a_claim_and_a_cancel_at_once_have_one_outcome(rows: JobFactory) -> None:
    with ThreadPoolExecutor(1) as threads:
        for job in [rows.accept() for _ in range(15)]:
            claiming = threads.submit(rows.attempts.claim_one, job.id, job.id)
            cancelled = rows.store.request_cancel(OWNER, job.id)
            assert (claiming.result() is None) == (cancelled.status is Status.CANCELLED)
            assert rows.get(job.id).cancel_requested_at is not None


def test_a_deleted_job_takes_all_with_it(rows: JobFactory) -> None:
    running, ended = rows.claim(), rows.claim()
    rows.attempts.checkpoint(running, Checkpoint(0, [{}], None))
    rows.finish(ended)
    for claim in (running, ended):
        rows.store.delete(OWNER, claim.job.id)
        with pytest.raises(JobNotFound):
            rows.store.delete(OWNER, claim.job.id)
        assert rows.store.transcript(claim.job.id) is None
    with pytest.raises(Replaced):
        rows.attempts.checkpoint(running, Checkpoint(1, [{}], None))
    assert rows.finish(running) is Finish.REPLACED
    assert not rows.attempts.give_back(running, 5)


def test_only_what_ended_long_ago_expires(rows: JobFactory) -> None:
    running, queued, ended = rows.claim().job.id, rows.accept().id, rows.claim()
    rows.finish(ended)
    ended_at = rows.get(ended.job.id).ended_at
    assert ended_at
    rows.store.expire(ended_at)
    assert set(rows.store.statuses([running, queued, ended.job.id])) == {running, queued, ended.job.id}
    rows.store.expire(ended_at + 0.001)
    assert set(rows.store.statuses([running, queued, ended.job.id])) == {running, queued}


def test_the_place_in_the_queue_counts_who_came_before(rows: JobFactory) -> None:
    job = rows.accept()
    (behind, oldest), (before, _) = (rows.store.queue_position(one) for one in (rows.accept(), job))
    assert behind > before
    assert oldest <= job.created_at

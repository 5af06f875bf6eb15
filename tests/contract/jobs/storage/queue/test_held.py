"""Jobs that wait for a person, on SQLite and PostgreSQL: no worker has them, nothing counts them as running."""

from __future__ import annotations

import time

from jobs.job import Status
from jobs.storage.attempts import Checkpoint, Claim
from jobs.storage.queue.claims import RunningLimits
from jobs.storage.queue.counts import read_counts
from jobs.storage.queue.held import PlanReviews, Review
from tests.support.job_factory import OWNER, JobFactory

OUTLINE = {"title": "Tides", "sections": [{"title": "Moon", "brief": "", "sources": []}]}
PLAN = Checkpoint(0, [{"id": "rs_1", "outline": OUTLINE}], {"input_tokens": 1})


def held(job_factory: JobFactory) -> Claim:
    claim = job_factory.claim()
    job_factory.attempts.checkpoint(claim, PLAN)
    assert job_factory.attempts.hold(claim, 7)
    return claim


def test_a_held_job_waits_without_a_worker(job_factory: JobFactory) -> None:
    claim = held(job_factory)
    job = job_factory.get(claim.job.id)
    assert (job.status, job.seq_mark) == (Status.IN_PROGRESS, 7)
    assert job.held_at is not None
    assert job_factory.attempts.claim_one(job.id, "another") is None
    assert job_factory.attempts.held(claim.job.id) == {}
    listed = job_factory.store.lists.page(OWNER, limit=1000, status=Status.IN_PROGRESS)
    running = sum(one.held_at is None for one in listed)
    assert (
        read_counts(job_factory.database, time.time(), RunningLimits(lambda _model: None)).running_of(owner=OWNER)
        == running
        < len(listed)
    )
    assert job.id in job_factory.store.lists.ids(OWNER, held=True)
    assert job_factory.store.lists.counts(OWNER, held=True)[Status.IN_PROGRESS] == len(listed) - running


def test_who_agrees_queues_it_once_with_the_plan(job_factory: JobFactory) -> None:
    claim = held(job_factory)
    reviews = PlanReviews(job_factory.database)
    assert reviews.plan(claim.job.id) == (OUTLINE, None)
    changed = {**OUTLINE, "title": "Ebb"}
    assert reviews.agree(claim.job.id, changed)
    assert not reviews.agree(claim.job.id, OUTLINE)
    assert reviews.plan(claim.job.id) == (changed, Review.AGREED)
    assert not job_factory.attempts.hold(claim, 9), "an answer that was lost is not repeated over an agreement"
    again = job_factory.claim(job_factory.get(claim.job.id))
    assert (again.attempt, again.first, again.job.held_at, again.job.rescues) == (2, 7, None, 0)
    assert again.checkpoints[0].usage == PLAN.usage


def test_a_wish_to_end_reaches_a_held_job_and_one_that_is_about_to_be(job_factory: JobFactory) -> None:
    waiting = held(job_factory).job
    job_factory.store.request_cancel(OWNER, waiting.id)
    assert job_factory.get(waiting.id).status is Status.QUEUED
    claim = job_factory.claim()
    job_factory.store.request_cancel(OWNER, claim.job.id, graceful=True)
    assert job_factory.get(claim.job.id).status is Status.IN_PROGRESS
    assert job_factory.attempts.hold(claim, 7)
    job = job_factory.get(claim.job.id)
    assert (job.status, job.held_at) == (Status.QUEUED, None)

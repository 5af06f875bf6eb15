"""Whose turn it is: tiers, owners, and models that run only so many jobs at once."""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select, text

from jobs.job import Job
from jobs.requests.job_request import FLEX
from jobs.storage.attempts import AttemptStore, Claim, Limits
from jobs.storage.database import Database
from jobs.storage.queue.claims import RunningLimits, lock_of
from jobs.storage.queue.places import Places, read_places
from jobs.storage.statistics import Statistics
from tests.support.job_factory import JobFactory, accepted
from tests.support.stack import Stack, wait_for


@pytest.fixture
def empty_queue(job_factory: JobFactory) -> Iterator[JobFactory]:
    """The database with nobody waiting in line: what other tests have queued is claimed."""
    while job_factory.attempts.claim("bystander"):
        pass
    yield job_factory
    while job_factory.attempts.claim("bystander"):
        pass


def queue(empty_queue: JobFactory, owner: str, *, tier: str = "default", model: str = "demo") -> Job:
    return empty_queue.store.accept(owner, accepted(service_tier=tier, model=model))


def claims(empty_queue: JobFactory, limit_of: Limits = lambda _: None) -> list[Claim]:
    """All that can be claimed, in turn."""
    found: list[Claim] = []
    while claim := empty_queue.attempts.claim("worker", limit_of):
        found.append(claim)
    return found


def places(empty_queue: JobFactory, limit_of: Limits = lambda _: None) -> Places:
    with empty_queue.database.read() as connection:
        return read_places(connection, RunningLimits(limit_of))


@pytest.mark.parametrize("seed", range(5))
def test_places_are_the_order_in_which_jobs_are_claimed(empty_queue: JobFactory, seed: int) -> None:
    chance = random.Random(seed)
    owners, (free, full) = [secrets.token_hex(4) for _ in range(4)], [secrets.token_hex(4) for _ in range(2)]
    for _ in range(chance.randrange(8)):  # some run already
        queue(empty_queue, chance.choice(owners), model=free)
    queue(empty_queue, owners[0], model=full)
    claims(empty_queue)
    made = [
        queue(
            empty_queue,
            owners[min(chance.randrange(8), 3)],
            tier=chance.choice(["default", "default", "flex"]),
            model=chance.choice([free, free, full]),
        ).id
        for _ in range(90)
    ]
    limits: Limits = {full: 1}.get
    told = places(empty_queue, limits)
    assert told.are_all
    in_order = sorted(told.before, key=lambda job_id: told.before[job_id])
    taken = [claim.job.id for claim in claims(empty_queue, limits)]
    assert 0 < len(taken) < len(made)
    assert in_order[: len(taken)] == taken
    assert set(in_order) == set(made)
    # What was held comes next, once it may.
    assert in_order[len(taken) :] == [claim.job.id for claim in claims(empty_queue)]


def test_places_tell_of_one_owners_turn_before_anothers_many(empty_queue: JobFactory) -> None:
    many, few = secrets.token_hex(4), secrets.token_hex(4)
    crowd = [queue(empty_queue, many).id for _ in range(40)]
    late = queue(empty_queue, few).id
    told = places(empty_queue).before
    assert (told[crowd[0]], told[late], told[crowd[-1]]) == (0, 1, 40)


def test_the_oldest_comes_first_and_flex_comes_last(empty_queue: JobFactory) -> None:
    owner = secrets.token_hex(4)
    flex = [queue(empty_queue, owner, tier="flex").id for _ in range(2)]
    others = [queue(empty_queue, owner, tier=tier).id for tier in ("default", "priority", "auto")]
    assert [claim.job.id for claim in claims(empty_queue)] == [*others, *flex]


@pytest.mark.parametrize("tier", ["default", "flex"])
def test_a_worker_takes_jobs_of_its_tiers_only(empty_queue: JobFactory, tier: str) -> None:
    owner = secrets.token_hex(4)
    ids = {name: queue(empty_queue, owner, tier=name).id for name in ("flex", "default")}
    attempts = AttemptStore(empty_queue.database, [tier])
    claimed = attempts.claim("worker")
    assert claimed
    assert claimed.job.id == ids[tier]
    assert attempts.claim("worker") is None


def test_one_owners_many_jobs_keep_nobody_waiting(empty_queue: JobFactory) -> None:
    many, few = secrets.token_hex(4), secrets.token_hex(4)
    for _ in range(20):
        queue(empty_queue, many)
    queue(empty_queue, few)
    queue(empty_queue, few)
    assert [claim.job.owner for claim in claims(empty_queue)][:4].count(few) == 2


def test_a_model_runs_no_more_jobs_than_it_may(empty_queue: JobFactory) -> None:
    small, other = secrets.token_hex(4), secrets.token_hex(4)
    for _ in range(5):
        queue(empty_queue, "o", model=small)
    queue(empty_queue, "o", model=other)
    limits: Limits = {small: 2}.get
    taken = claims(empty_queue, limits)
    assert Counter(claim.job.request.model for claim in taken) == {small: 2, other: 1}
    empty_queue.finish(next(claim for claim in taken if claim.job.request.model == small))
    assert len(claims(empty_queue, limits)) == 1


def test_workers_that_claim_at_once_keep_within_the_limit(empty_queue: JobFactory) -> None:
    model = secrets.token_hex(4)
    for _ in range(12):
        queue(empty_queue, "o", model=model)
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: empty_queue.attempts.claim("worker", {model: 3}.get), range(12)))
    assert sum(claim is not None for claim in taken) == 3


def test_workers_that_claim_at_once_each_get_a_job(empty_queue: JobFactory) -> None:
    queued = {queue(empty_queue, "o").id for _ in range(12)}
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: empty_queue.attempts.claim("worker"), range(12)))
    assert {claim.job.id for claim in taken if claim} == queued


def test_flexible_jobs_wait_until_a_small_worker_has_done_the_others(own_stack: Stack) -> None:
    """Though their messages came first."""
    own_stack.lose(own_stack.workers[0])
    client = own_stack.client()
    tiers: list[Any] = ["flex"] * 10 + ["default"] * 10
    asked = [
        client.responses.create(input=f"turn {n} [[demo tokens=2]]", background=True, service_tier=tier)
        for n, tier in enumerate(tiers)
    ]
    own_stack.start_worker(PENSTOCK_CONCURRENCY="1")

    def ended() -> list[str]:
        found = [client.responses.retrieve(job.id) for job in asked]
        return [
            job.service_tier or "" for job in sorted(found, key=lambda job: job.completed_at or 0) if job.completed_at
        ]

    wait_for(lambda: len(ended()) == 20, 60)
    starts = [own_stack.model.wait(f"turn {n}", "request") for n in range(20)]
    assert max(starts[10:]) < min(starts[:10])


def test_who_is_to_end_comes_before_the_line_in_every_lane(empty_queue: JobFactory) -> None:
    """They ran before, so only a worker can end them; that must not wait for a turn or for a paused queue."""
    flex, limited = queue(empty_queue, "o", tier="flex"), queue(empty_queue, "o", model="small")
    for job in (flex, limited):
        empty_queue.requeue(empty_queue.claim(job).job.id)
    running = empty_queue.claim(queue(empty_queue, "o", model="small"))
    queue(empty_queue, "o")
    empty_queue.store.request_cancel("o", flex.id)
    empty_queue.store.request_cancel("o", limited.id, graceful=True)
    Statistics(empty_queue.database).pause(FLEX)
    try:
        first = empty_queue.attempts.claim_ending("full")
        second = empty_queue.attempts.claim("w", {"small": 1}.get)
        assert {claim.job.id for claim in (first, second) if claim} == {flex.id, limited.id}
        assert empty_queue.attempts.claim_ending("full") is None
        third = empty_queue.attempts.claim("w", {"small": 1}.get)
        assert third is not None
        assert third.job.request.model == "demo"
    finally:
        Statistics(empty_queue.database).resume(FLEX)
    empty_queue.finish(running)


@pytest.fixture
def postgres_line(postgresql_database: Database) -> JobFactory:
    job_factory = JobFactory(postgresql_database)
    while job_factory.attempts.claim("bystander"):
        pass
    return job_factory


def test_a_claim_that_hangs_keeps_only_its_own_job_from_others(postgres_line: JobFactory) -> None:
    job_factory = postgres_line
    hung, free = queue(job_factory, "o").id, queue(job_factory, "o").id
    session = job_factory.database.engine.connect()
    session.execute(text(f"SELECT id FROM jobs WHERE id = '{hung}' FOR UPDATE"))  # and its link goes silent
    claim = job_factory.attempts.claim("w")
    assert claim is not None
    assert claim.job.id == free
    assert job_factory.attempts.claim("w") is None
    session.close()
    claim = job_factory.attempts.claim("w")
    assert claim is not None
    assert claim.job.id == hung


def test_a_claim_that_hangs_over_a_models_limit_keeps_no_other_model_waiting(postgres_line: JobFactory) -> None:
    job_factory, small = postgres_line, secrets.token_hex(4)
    queue(job_factory, "o", model=small)
    queue(job_factory, "o")
    session = job_factory.database.engine.connect()
    session.execute(select(func.pg_advisory_xact_lock(*lock_of(small))))
    claim = job_factory.attempts.claim("w", {small: 1}.get)
    assert claim is not None
    assert claim.job.request.model == "demo"
    assert job_factory.attempts.claim("w", {small: 1}.get) is None
    session.close()
    assert job_factory.attempts.claim("w", {small: 1}.get) is not None

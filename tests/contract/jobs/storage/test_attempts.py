"""What workers do with jobs, on SQLite and PostgreSQL: one claim, guarded writes, one end."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from jobs.job import TRANSITIONS, Status
from jobs.protocol import response
from jobs.storage.attempts import BLOCK, Checkpoint, Claim, Finish, Note, Replaced
from jobs.storage.workers import WorkerRegistry
from tests.support.assertions import assert_one_end, row_of
from tests.support.job_factory import OWNER, JobFactory
from worker.model.chunks import Kind
from worker.writing.section import Section

RACERS = 8
ENDS = [status for status in Status if status.is_terminal]
FINISHED = Checkpoint(0, [{"id": "msg_1", "text": "\x00 翠花"}], {"input_tokens": 1})


def writes(job_factory: JobFactory, claim: Claim) -> dict[str, Callable[[], object]]:
    """All that an attempt may do to a row."""
    return {
        "reserve": partial(job_factory.attempts.reserve, claim, 10**6, 10**6),
        "checkpoint": partial(job_factory.attempts.checkpoint, claim, FINISHED),
        "note_progress": partial(job_factory.attempts.note_progress, [Note(claim, "{}", 1.0)]),
        "give_back": partial(job_factory.attempts.give_back, claim, 10**6),
        "give_up": partial(job_factory.attempts.give_up, claim.job.id, claim.attempt),
        **{status.value: partial(job_factory.finish, claim, status) for status in ENDS},
    }


def test_many_workers_claim_a_job_once(job_factory: JobFactory) -> None:
    with ThreadPoolExecutor(RACERS) as threads:
        for job in [job_factory.accept() for _ in range(10)]:
            claims = threads.map(
                job_factory.attempts.claim_one, [job.id] * RACERS, [f"w{number}" for number in range(RACERS)]
            )
            (claim,) = filter(None, claims)
            assert (claim.attempt, claim.first, claim.first_index) == (1, 2, 0)
            assert job_factory.get(job.id).status is Status.IN_PROGRESS


def test_every_claim_has_numbers_of_its_own(job_factory: JobFactory) -> None:
    first = job_factory.claim()
    job_factory.attempts.reserve(first, 5 * BLOCK, 7)
    second = job_factory.rescue(first)
    assert (second.attempt, second.first, second.first_index, second.job.rescues) == (2, 5 * BLOCK, 7, 1)
    assert second.job.started_at == first.job.started_at
    assert job_factory.attempts.give_back(second, 5 * BLOCK + 3)
    third = job_factory.claim(first.job)
    assert (third.attempt, third.first, third.job.rescues) == (3, 5 * BLOCK + 3, 1)
    job_factory.attempts.reserve(third, 8 * BLOCK, 9)
    job_factory.attempts.give_up(third.job.id, third.attempt)
    fourth = job_factory.claim(first.job)
    assert (fourth.attempt, fourth.first, fourth.job.rescues) == (4, 8 * BLOCK, 2)


@pytest.mark.parametrize("by_whom", ["nobody yet", "another attempt", "an ended one"])
def test_invariant_4_stale_writes_refused_by_the_row(job_factory: JobFactory, by_whom: str) -> None:
    stale = job_factory.claim()
    job_factory.requeue(stale.job.id)
    if by_whom != "nobody yet":
        owner = job_factory.claim(stale.job)
        if by_whom == "an ended one":
            job_factory.finish(owner)
    before = row_of(job_factory.database, stale.job.id)
    assert not job_factory.attempts.is_current(stale)
    for name, write in writes(job_factory, stale).items():
        try:
            assert write() in (None, False, Finish.REPLACED), name
            assert name not in ("reserve", "checkpoint")
        except Replaced:
            assert name in ("reserve", "checkpoint")
        assert row_of(job_factory.database, stale.job.id) == before
    assert (job_factory.store.transcript(stale.job.id) is not None) == (by_whom == "an ended one")


def test_how_far_a_job_is_stands_in_its_row(job_factory: JobFactory) -> None:
    first, other = job_factory.claim(), job_factory.claim()
    noted = {"done": 0, "total": 1, "words": 2, "curve": {"slot_seconds": 2, "characters": [3, 4]}}
    job_factory.attempts.note_progress([Note(first, "{}", None), Note(other, '{"done": 9}', 5.5)])
    job_factory.attempts.note_progress([Note(first, json.dumps(noted), 4.5)])
    for claim, progress, first_text_at in ((first, noted, 4.5), (other, {"done": 9}, 5.5)):
        job = job_factory.get(claim.job.id)
        assert (job.progress, job.first_token_at) == (progress, first_text_at)
    second = job_factory.rescue(first)
    writer = job_factory.writer(second)
    assert (writer.rate_histogram.to_wire(), writer.first_text_at) == (noted["curve"], 4.5)
    writer.begin()
    Section(writer, 0).write(Kind.TEXT, "Three words, 翠花")
    writer.note_rate(5)
    writer.close_open_items()
    job_factory.finish(second, Status.INCOMPLETE, writer)
    job = job_factory.get(first.job.id)
    assert job.progress is not None
    assert {name: job.progress[name] for name in ("done", "total", "words")} == {"done": 0, "total": 1, "words": 4}
    assert sum(job.progress["curve"]["characters"]) == 12
    assert (job.words, job.tokens, job.first_token_at) == (4, None, 4.5)


@pytest.mark.parametrize(
    ("status", "ending", "code"),
    [
        (Status.COMPLETED, {"usage": {"output_tokens": 7}}, None),
        (Status.INCOMPLETE, {"reason": "max_output_tokens"}, "max_output_tokens"),
        (Status.FAILED, {"error": {"code": "server_error", "message": "no"}}, "server_error"),
        (Status.CANCELLED, {}, "cancelled"),
    ],
)
def test_what_became_of_a_job_stands_in_its_row(
    job_factory: JobFactory, status: Status, ending: dict[str, Any], code: str | None
) -> None:
    claim = job_factory.claim()
    assert job_factory.finish(claim, status, **ending) is Finish.DONE
    job = job_factory.get(claim.job.id)
    tokens = 7 if "usage" in ending else None
    assert (job.words, job.tokens, row_of(job_factory.database, job.id).error) == (0, tokens, code)


def test_a_checkpoint_is_for_the_next_attempt(job_factory: JobFactory) -> None:
    first, later = job_factory.claim(), replace(FINISHED, section=1, usage=None)
    job_factory.attempts.checkpoint(first, later)
    job_factory.attempts.checkpoint(first, FINISHED)
    assert list(job_factory.rescue(first).checkpoints) == [FINISHED, later]


def test_a_write_whose_answer_was_lost_can_be_repeated(job_factory: JobFactory) -> None:
    claim = job_factory.claim()
    for _ in range(2):
        job_factory.attempts.checkpoint(claim, FINISHED)
        job_factory.attempts.reserve(claim, 3 * BLOCK, 5)
    for _ in range(2):
        assert job_factory.finish(claim) is Finish.DONE
    assert_one_end(job_factory.database, claim.job.id)


@pytest.mark.parametrize("status", ENDS)
def test_invariant_3_one_end_in_one_transaction(job_factory: JobFactory, status: Status) -> None:
    claim, text = job_factory.claim(), "\x00 \u2028 🌊 翠花"
    writer = job_factory.writer(claim)
    writer.begin()
    item = writer.open_item("message", "msg_1", 0)
    writer.open_part(item, "output_text")
    writer.write(item, text)
    writer.close_open_items()
    assert job_factory.finish(claim, status, writer) is Finish.DONE
    assert assert_one_end(job_factory.database, claim.job.id)["output"][0]["content"][0]["text"] == text
    assert job_factory.attempts.claim_one(claim.job.id, "w") is None


def test_a_cancel_that_came_first_wins(job_factory: JobFactory) -> None:
    claim = job_factory.claim()
    job_factory.store.request_cancel(OWNER, claim.job.id)
    for status in (Status.COMPLETED, Status.FAILED, Status.INCOMPLETE):
        assert job_factory.finish(claim, status) is Finish.CANCEL_WON
    assert job_factory.finish(claim, Status.CANCELLED) is Finish.DONE


def test_a_cancel_and_an_end_at_once_have_one_outcome(job_factory: JobFactory) -> None:
    with ThreadPoolExecutor(1) as threads:
        for claim in [job_factory.claim() for _ in range(15)]:
            ending = threads.submit(job_factory.finish, claim)
            asked = job_factory.store.request_cancel(OWNER, claim.job.id)
            assert (ending.result() is Finish.DONE) == (asked.cancel_requested_at is None)
            assert job_factory.get(claim.job.id).cancel_requested_at == asked.cancel_requested_at


def test_the_jobs_of_a_dead_worker_go_back_to_the_queue(job_factory: JobFactory) -> None:
    jobs, bystander = [job_factory.accept() for _ in range(3)], job_factory.claim().job
    dead = f"dead-{jobs[0].id}"
    for job in jobs:
        assert job_factory.attempts.claim_one(job.id, dead)
    held = job_factory.attempts.held(dead)
    assert {job_id: one.attempt for job_id, one in held.items()} == {job.id: 1 for job in jobs}
    assert [job_factory.attempts.requeue_orphans(dead) for _ in range(2)] == [3, 0]
    assert [(job_factory.get(job.id).status, job_factory.get(job.id).rescues) for job in jobs] == [
        (Status.QUEUED, 1)
    ] * 3
    assert job_factory.get(bystander.id) == bystander


def test_the_transitions_are_those_that_the_statements_make(job_factory: JobFactory) -> None:
    def claims() -> list[Claim]:
        """A claim, right or not, on a job in each state that there is."""
        requeued, ended = job_factory.claim(), [job_factory.claim() for _ in ENDS]
        job_factory.requeue(requeued.job.id)
        for claim, status in zip(ended, ENDS, strict=True):
            job_factory.finish(claim, status)
        return [Claim(job_factory.accept(), 2, 0, []), requeued, job_factory.claim(), *ended]

    def acts(claim: Claim) -> list[Callable[[], object]]:
        return [
            partial(job_factory.attempts.claim_one, claim.job.id, claim.job.id),
            partial(job_factory.attempts.requeue_orphans, claim.job.id),
            partial(job_factory.store.request_cancel, OWNER, claim.job.id),
            *writes(job_factory, claim).values(),
        ]

    made: set[tuple[Status, Status]] = set()
    for number in range(len(acts(job_factory.claim()))):
        for claim in claims():
            before = job_factory.get(claim.job.id).status
            try:
                acts(claim)[number]()
            except Replaced:
                assert job_factory.get(claim.job.id).status is before
            made.add((before, job_factory.get(claim.job.id).status))
    allowed = {(before, after) for before, afters in TRANSITIONS.items() for after in afters}
    assert {step for step in made if step[0] is not step[1]} == allowed


def test_an_end_is_stored_whatever_numbers_and_codes_a_server_sent(job_factory: JobFactory) -> None:
    counts = {"input_tokens": 1, "cached_tokens": 0, "output_tokens": 18446744073709551615, "reasoning_tokens": -5}
    claim = job_factory.claim()
    assert job_factory.finish(claim, usage=response.usage(counts)) is Finish.DONE
    final = assert_one_end(job_factory.database, claim.job.id)
    assert final["usage"]["output_tokens"] == 2**53 - 1
    assert final["usage"]["output_tokens_details"]["reasoning_tokens"] == 0
    assert job_factory.get(claim.job.id).tokens == 2**31 - 1
    for code in ("half \ud83d", "NUL \0", "long" * 50):
        claim = job_factory.claim()
        error = {"code": code, "message": f"{code} of a pair"}
        assert job_factory.finish(claim, Status.FAILED, error=error) is Finish.DONE
        assert_one_end(job_factory.database, claim.job.id)


def test_a_worker_that_was_declared_dead_claims_nothing(job_factory: JobFactory) -> None:
    registry = WorkerRegistry(job_factory.database)
    worker = secrets.token_hex(8)
    registry.register(worker)
    job = job_factory.accept()
    registry.declare_dead(worker)
    assert job_factory.attempts.claim_one(job.id, worker) is None
    registry.register(worker)
    assert job_factory.attempts.claim_one(job.id, worker) is not None

"""What workers do with jobs, on SQLite and PostgreSQL: one claim, guarded writes, one end."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from jobs.job import TRANSITIONS, Status
from jobs.protocol import response
from jobs.storage.attempts import BLOCK, Checkpoint, Claim, Finish, Note, Replaced
from tests.support.assertions import assert_one_end, row_of
from tests.support.job_factory import OWNER, JobFactory
from worker.model.chunks import Kind
from worker.writing.section import Section

RACERS = 8
ENDS = [status for status in Status if status.is_terminal]
FINISHED = Checkpoint(0, [{"id": "msg_1", "text": "\x00 翠花"}], {"input_tokens": 1})


def writes(rows: JobFactory, claim: Claim) -> dict[str, Callable[[], object]]:
    """All that an attempt may do to a row."""
    return {
        "reserve": partial(rows.attempts.reserve, claim, 10**6, 10**6),
        "checkpoint": partial(rows.attempts.checkpoint, claim, FINISHED),
        "note_progress": partial(rows.attempts.note_progress, [Note(claim, "{}", 1.0)]),
        "give_back": partial(rows.attempts.give_back, claim, 10**6),
        "give_up": partial(rows.attempts.give_up, claim.job.id, claim.attempt),
        **{status.value: partial(rows.finish, claim, status) for status in ENDS},
    }


def test_many_workers_claim_a_job_once(rows: JobFactory) -> None:
    with ThreadPoolExecutor(RACERS) as threads:
        for job in [rows.accept() for _ in range(10)]:
            claims = threads.map(rows.attempts.claim_one, [job.id] * RACERS, [f"w{number}" for number in range(RACERS)])
            (claim,) = filter(None, claims)
            assert (claim.attempt, claim.first, claim.first_index) == (1, 2, 0)
            assert rows.get(job.id).status is Status.IN_PROGRESS


def test_every_claim_has_numbers_of_its_own(rows: JobFactory) -> None:
    first = rows.claim()
    rows.attempts.reserve(first, 5 * BLOCK, 7)
    second = rows.rescue(first)
    assert (second.attempt, second.first, second.first_index, second.job.rescues) == (2, 5 * BLOCK, 7, 1)
    assert second.job.started_at == first.job.started_at
    assert rows.attempts.give_back(second, 5 * BLOCK + 3)
    third = rows.claim(first.job)
    assert (third.attempt, third.first, third.job.rescues) == (3, 5 * BLOCK + 3, 1)
    rows.attempts.reserve(third, 8 * BLOCK, 9)
    rows.attempts.give_up(third.job.id, third.attempt)
    fourth = rows.claim(first.job)
    assert (fourth.attempt, fourth.first, fourth.job.rescues) == (4, 8 * BLOCK, 2)


@pytest.mark.parametrize("by_whom", ["nobody yet", "another attempt", "an ended one"])
def test_invariant_4_stale_writes_refused_by_the_row(rows: JobFactory, by_whom: str) -> None:
    stale = rows.claim()
    rows.requeue(stale.job.id)
    if by_whom != "nobody yet":
        owner = rows.claim(stale.job)
        if by_whom == "an ended one":
            rows.finish(owner)
    before = row_of(rows.database, stale.job.id)
    assert not rows.attempts.is_current(stale)
    for name, write in writes(rows, stale).items():
        try:
            assert write() in (None, False, Finish.REPLACED), name
            assert name not in ("reserve", "checkpoint")
        except Replaced:
            assert name in ("reserve", "checkpoint")
        assert row_of(rows.database, stale.job.id) == before
    assert (rows.store.transcript(stale.job.id) is not None) == (by_whom == "an ended one")


def test_how_far_a_job_is_stands_in_its_row(rows: JobFactory) -> None:
    first, other = rows.claim(), rows.claim()
    noted = {"done": 0, "total": 1, "words": 2, "curve": {"slot_seconds": 2, "characters": [3, 4]}}
    rows.attempts.note_progress([Note(first, "{}", None), Note(other, '{"done": 9}', 5.5)])
    rows.attempts.note_progress([Note(first, json.dumps(noted), 4.5)])
    for claim, progress, first_text_at in ((first, noted, 4.5), (other, {"done": 9}, 5.5)):
        job = rows.get(claim.job.id)
        assert (job.progress, job.first_token_at) == (progress, first_text_at)
    second = rows.rescue(first)
    writer = rows.writer(second)
    assert (writer.rate_histogram.to_wire(), writer.first_text_at) == (noted["curve"], 4.5)
    writer.begin()
    Section(writer, 0).write(Kind.TEXT, "Three words, 翠花")
    writer.note_rate(5)
    writer.close_open_items()
    rows.finish(second, Status.INCOMPLETE, writer)
    job = rows.get(first.job.id)
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
        (Status.CANCELLED, {}, None),
    ],
)
def test_what_became_of_a_job_stands_in_its_row(
    rows: JobFactory, status: Status, ending: dict[str, Any], code: str | None
) -> None:
    claim = rows.claim()
    assert rows.finish(claim, status, **ending) is Finish.DONE
    job = rows.get(claim.job.id)
    tokens = 7 if "usage" in ending else None
    assert (job.words, job.tokens, row_of(rows.database, job.id).error) == (0, tokens, code)


def test_a_checkpoint_is_for_the_next_attempt(rows: JobFactory) -> None:
    first, later = rows.claim(), replace(FINISHED, section=1, usage=None)
    rows.attempts.checkpoint(first, later)
    rows.attempts.checkpoint(first, FINISHED)
    assert list(rows.rescue(first).checkpoints) == [FINISHED, later]


def test_a_write_whose_answer_was_lost_can_be_repeated(rows: JobFactory) -> None:
    claim = rows.claim()
    for _ in range(2):
        rows.attempts.checkpoint(claim, FINISHED)
        rows.attempts.reserve(claim, 3 * BLOCK, 5)
    for _ in range(2):
        assert rows.finish(claim) is Finish.DONE
    assert_one_end(rows.database, claim.job.id)


@pytest.mark.parametrize("status", ENDS)
def test_invariant_3_one_end_in_one_transaction(rows: JobFactory, status: Status) -> None:
    claim, text = rows.claim(), "\x00 \u2028 🌊 翠花"
    writer = rows.writer(claim)
    writer.begin()
    item = writer.open_item("message", "msg_1", 0)
    writer.open_part(item, "output_text")
    writer.write(item, text)
    writer.close_open_items()
    assert rows.finish(claim, status, writer) is Finish.DONE
    assert assert_one_end(rows.database, claim.job.id)["output"][0]["content"][0]["text"] == text
    assert rows.attempts.claim_one(claim.job.id, "w") is None


def test_a_cancel_that_came_first_wins(rows: JobFactory) -> None:
    claim = rows.claim()
    rows.store.request_cancel(OWNER, claim.job.id)
    for status in (Status.COMPLETED, Status.FAILED, Status.INCOMPLETE):
        assert rows.finish(claim, status) is Finish.CANCEL_WON
    assert rows.finish(claim, Status.CANCELLED) is Finish.DONE


def test_a_cancel_and_an_end_at_once_have_one_outcome(rows: JobFactory) -> None:
    with ThreadPoolExecutor(1) as threads:
        for claim in [rows.claim() for _ in range(15)]:
            ending = threads.submit(rows.finish, claim)
            asked = rows.store.request_cancel(OWNER, claim.job.id)
            assert (ending.result() is Finish.DONE) == (asked.cancel_requested_at is None)
            assert rows.get(claim.job.id).cancel_requested_at == asked.cancel_requested_at


def test_the_jobs_of_a_dead_worker_go_back_to_the_queue(rows: JobFactory) -> None:
    jobs, bystander = [rows.accept() for _ in range(3)], rows.claim().job
    dead = f"dead-{jobs[0].id}"
    for job in jobs:
        assert rows.attempts.claim_one(job.id, dead)
    held = rows.attempts.held(dead)
    assert {job_id: one.attempt for job_id, one in held.items()} == {job.id: 1 for job in jobs}
    assert [rows.attempts.requeue_orphans(dead) for _ in range(2)] == [3, 0]
    assert [(rows.get(job.id).status, rows.get(job.id).rescues) for job in jobs] == [(Status.QUEUED, 1)] * 3
    assert rows.get(bystander.id) == bystander


def test_the_transitions_are_those_that_the_statements_make(rows: JobFactory) -> None:
    def claims() -> list[Claim]:
        """A claim, right or not, on a job in each state that there is."""
        requeued, ended = rows.claim(), [rows.claim() for _ in ENDS]
        rows.requeue(requeued.job.id)
        for claim, status in zip(ended, ENDS, strict=True):
            rows.finish(claim, status)
        return [Claim(rows.accept(), 2, 0, []), requeued, rows.claim(), *ended]

    def acts(claim: Claim) -> list[Callable[[], object]]:
        return [
            partial(rows.attempts.claim_one, claim.job.id, claim.job.id),
            partial(rows.attempts.requeue_orphans, claim.job.id),
            partial(rows.store.request_cancel, OWNER, claim.job.id),
            *writes(rows, claim).values(),
        ]

    made: set[tuple[Status, Status]] = set()
    for number in range(len(acts(rows.claim()))):
        for claim in claims():
            before = rows.get(claim.job.id).status
            try:
                acts(claim)[number]()
            except Replaced:
                assert rows.get(claim.job.id).status is before
            made.add((before, rows.get(claim.job.id).status))
    allowed = {(before, after) for before, afters in TRANSITIONS.items() for after in afters}
    assert {step for step in made if step[0] is not step[1]} == allowed


def test_an_end_is_stored_whatever_numbers_and_codes_a_server_sent(rows: JobFactory) -> None:
    counts = {"input_tokens": 1, "cached_tokens": 0, "output_tokens": 18446744073709551615, "reasoning_tokens": -5}
    claim = rows.claim()
    assert rows.finish(claim, usage=response.usage(counts)) is Finish.DONE
    final = assert_one_end(rows.database, claim.job.id)
    assert final["usage"]["output_tokens"] == 2**53 - 1
    assert final["usage"]["output_tokens_details"]["reasoning_tokens"] == 0
    assert rows.get(claim.job.id).tokens == 2**31 - 1
    for code in ("half \ud83d", "NUL \0", "long" * 50):
        claim = rows.claim()
        error = {"code": code, "message": f"{code} of a pair"}
        assert rows.finish(claim, Status.FAILED, error=error) is Finish.DONE
        assert_one_end(rows.database, claim.job.id)

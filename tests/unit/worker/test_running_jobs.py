"""What a heartbeat finds out about the jobs of its process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.storage.attempts import Claim, Held
from tests.support.job_factory import JobFactory
from worker.attempt_state import Reason
from worker.running_jobs import RunningJob, RunningJobs


@pytest.fixture
def running() -> RunningJobs:
    return RunningJobs()


@pytest.fixture
def job(job_factory: JobFactory, running: RunningJobs) -> Iterator[RunningJob]:
    with running.job(job_factory.claim()) as job:
        yield job


def row_of(claim: Claim, **row: Any) -> dict[str, Held]:
    return {claim.job.id: Held(claim.attempt)._replace(**row)}


def test_a_job_that_its_row_says_is_ours_goes_on(running: RunningJobs, job: RunningJob) -> None:
    assert running.stop_unwanted(lambda: row_of(job.claim)) == set()
    assert job.cancellation.reasons == set()


@pytest.mark.parametrize("gone", [False, True])
def test_a_job_that_another_attempt_has_is_stopped(running: RunningJobs, job: RunningJob, gone: bool) -> None:
    rows = {} if gone else row_of(job.claim, attempt=job.claim.attempt + 1)
    running.stop_unwanted(lambda: rows)
    assert job.cancellation.reasons == {Reason.REPLACED}


def test_a_cancel_is_noticed_with_its_time_and_a_wish_to_stop_winds_down(running: RunningJobs, job: RunningJob) -> None:
    running.stop_unwanted(lambda: row_of(job.claim, stop=True))
    assert job.cancellation.is_winding_down
    assert job.cancellation.reasons == set()
    running.stop_unwanted(lambda: row_of(job.claim, cancel=4.5))
    assert job.cancellation.reasons == {Reason.CANCEL}
    assert job.cancellation.wished_at == 4.5


def test_what_is_claimed_while_the_database_is_asked_is_not_judged(
    job_factory: JobFactory, running: RunningJobs
) -> None:
    claims: list[RunningJob] = []
    with running.job(job_factory.claim()) as first:

        def held() -> dict[str, Held]:
            claims.append(running.job(job_factory.claim()).__enter__())
            return row_of(first.claim)

        assert running.stop_unwanted(held) == set()
        assert claims[0].cancellation.reasons == set()


def test_what_the_row_says_is_here_and_is_not_is_a_stray(running: RunningJobs, job: RunningJob) -> None:
    assert running.stop_unwanted(lambda: row_of(job.claim) | {"resp_other": Held(3)}) == {("resp_other", 3)}


def test_a_newer_attempt_in_the_same_process_replaces_the_older(job_factory: JobFactory, running: RunningJobs) -> None:
    with running.job(job_factory.claim()) as old, running.job(job_factory.rescue(old.claim)) as new:
        assert old.cancellation.reasons == {Reason.REPLACED}
        assert new.cancellation.reasons == set()
        assert len(running) == 1


def test_a_drain_stops_what_is_left_and_what_still_comes(
    job_factory: JobFactory, running: RunningJobs, job: RunningJob
) -> None:
    running.drain(0)
    assert job.cancellation.reasons == {Reason.DRAIN}
    with running.job(job_factory.claim()) as late:
        assert late.cancellation.reasons == {Reason.DRAIN}

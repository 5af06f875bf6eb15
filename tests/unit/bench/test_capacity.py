"""The simulation against what is known of queues, and ops/capacity.md against what computes its table."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import mean

import pytest

from bench._capacity.measurement import MEASURED
from bench._capacity.needs import Load, needs_of
from bench._capacity.simulation import Scenario, Simulation
from bench.capacity import describe, main, table
from tests.support.up import ROOT

# Answers whose length is nearly the same, so that what comes out is easily told.
EVEN = Scenario(jobs_an_hour=600, workers=1, concurrency=10, hours=10, tokens=2_000, spread=0.01, first_token=0)


def test_without_a_queue_nobody_waits() -> None:
    outcome = Simulation(replace(EVEN, concurrency=1000)).run()
    assert max(outcome.waits[0]) == 0
    assert outcome.tokens == pytest.approx(outcome.ended * 2_000, rel=0.01)
    assert outcome.tokens_again == 0


def test_a_queue_waits_as_long_as_theory_says() -> None:
    """One server with even work, half of its time busy: its mean wait is half of a job's duration (Pollaczek)."""
    outcome = Simulation(replace(EVEN, jobs_an_hour=45, concurrency=1, hours=1_500)).run()
    assert outcome.ended == pytest.approx(45 * 1_500, rel=0.01)
    assert mean(outcome.waits[0]) == pytest.approx(20, rel=0.05)
    assert outcome.busy == pytest.approx(outcome.ended * 40, rel=0.01)


def test_those_who_can_wait_let_others_pass() -> None:
    outcome = Simulation(replace(EVEN, jobs_an_hour=880, flex_share=0.5)).run()
    default, flex = outcome.waits
    assert mean(default) * 3 < mean(flex)


def test_deaths_cost_tokens_and_time_and_lose_no_job() -> None:
    scenario = replace(EVEN, workers=3, worker_lives_hours=0.5)
    outcome = Simulation(scenario).run()
    quiet = Simulation(replace(scenario, worker_lives_hours=math.inf)).run()
    assert outcome.ended == quiet.ended
    assert outcome.tokens == pytest.approx(quiet.tokens)
    assert outcome.deaths > 30
    # A worker runs 2.2 jobs, each about half written when it dies.
    assert outcome.tokens_again == pytest.approx(outcome.deaths * 2.2 * 1_000, rel=0.2)


def test_faults_of_the_model_are_bought_again() -> None:
    outcome = Simulation(replace(EVEN, model_fault_share=0.1)).run()
    # Each broken answer is half written, and one in ten breaks off once more.
    assert outcome.tokens_again == pytest.approx(outcome.ended * 0.1 / 0.9 * 1_000, rel=0.1)


def test_a_day_is_told_with_its_cost(capsys: pytest.CaptureFixture[str]) -> None:
    main(["simulate", "--jobs-an-hour", "60", "--workers", "2", "--worker-lives-hours", "2", "--price", "10"])
    told = capsys.readouterr().out
    assert "deaths of workers" in told
    assert "wait of default, s: median 0.0" in told
    assert ", of which " in told
    main(["simulate", "--jobs-an-hour", "60", "--workers", "2", "--worker-lives-hours", "2", "--price", "10"])
    assert capsys.readouterr().out == told  # the same seed, the same day
    assert describe(EVEN, Simulation(replace(EVEN, hours=0)).run())[0].startswith("0 jobs")


def test_needs_grow_with_the_load() -> None:
    small, large = needs_of(Load(10, 10), MEASURED), needs_of(Load(1_000, 10_000), MEASURED)
    assert (small.workers, small.webs) == (1, 1)
    assert large.workers >= 10  # a hundred jobs each
    assert large.redis_cores == pytest.approx(100 * small.redis_cores)
    assert large.megabits == pytest.approx(1_000 * small.megabits)


def test_the_paper_has_the_table_that_is_computed() -> None:
    paper = (ROOT / "ops" / "capacity.md").read_text()
    assert "\n".join(table()) in paper

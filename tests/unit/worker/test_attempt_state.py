"""The attempt as a state machine: its table cell by cell, its diagram as ARCHITECTURE draws it, its first decisions."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from worker.attempt_state import (
    ACTIONS,
    TRANSITIONS,
    Action,
    Log,
    Phase,
    Reason,
    Row,
    Start,
    Step,
    action,
    first_step,
    start,
)

OVER = (Phase.ENDED, Phase.GIVEN_BACK, Phase.LET_GO)
LEADS_TO = {Action.END: Phase.ENDING, Action.GIVE_BACK: Phase.GIVEN_BACK, Action.LET_GO: Phase.LET_GO}
ARCHITECTURE = (Path(__file__).parents[3] / "ARCHITECTURE.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """What ARCHITECTURE says under a heading."""
    return ARCHITECTURE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_diagram_is_that_of_the_code() -> None:
    edges = set(re.findall(r"^ +(\w+) --> (\w+)$", section("The state of an attempt"), re.MULTILINE))
    assert edges == {(before, after) for before, follow in TRANSITIONS.items() for after in follow}
    assert {phase for phase in Phase if not TRANSITIONS[phase]} == set(OVER)


def test_the_table_is_that_of_the_code() -> None:
    lines = re.findall(r"^\| ?(.*?) ?\|$", section("The state of an attempt"), re.MULTILINE)
    header, _, *rows = lines[: len(ACTIONS) + 2]
    reasons = header.split(" | ")[1:]
    cells = {
        (phase, reason): text
        for phase, *texts in (row.split(" | ") for row in rows)
        for reason, text in zip(reasons, texts, strict=True)
    }
    assert cells == {(phase, reason): action(phase, {reason}).name.lower() for phase in ACTIONS for reason in Reason}


def test_the_table_is_total_and_leads_where_the_diagram_does() -> None:
    assert set(ACTIONS) == set(Phase) - set(OVER)
    for phase, by_reason in ACTIONS.items():
        assert set(by_reason) == set(Reason)
        for chosen in set(by_reason.values()) - {Action.NOTHING}:
            assert LEADS_TO[chosen] in TRANSITIONS[phase] | {phase}


CELLS = {
    Phase.CLAIMED: "nothing nothing give_back let_go give_back nothing",
    Phase.WRITING: "end end give_back let_go end give_back",
    Phase.COMMITTING: "end nothing nothing let_go end nothing",
    Phase.ENDING: "nothing nothing nothing let_go give_back nothing",
    Phase.WAITING: "nothing nothing give_back let_go end give_back",
}


@pytest.mark.parametrize("phase", CELLS)
@pytest.mark.parametrize("reason", Reason)
def test_each_cell(phase: Phase, reason: Reason) -> None:
    assert action(phase, {reason}) is Action[CELLS[phase].split()[list(Reason).index(reason)].upper()]


@pytest.mark.parametrize("phase", CELLS)
def test_of_several_reasons_the_strongest_acts_whichever_came_first(phase: Phase) -> None:
    assert action(phase, []) is Action.NOTHING
    for one, other in combinations(Reason, 2):
        strongest = max(action(phase, [one]), action(phase, [other]))
        assert action(phase, [one, other]) is action(phase, [other, one]) is strongest
    assert action(phase, list(Reason)) is Action.LET_GO


def test_a_cancel_does_not_keep_a_drained_worker_waiting_for_the_database() -> None:
    assert action(Phase.WAITING, [Reason.CANCEL]) is Action.NOTHING
    assert action(Phase.WAITING, [Reason.CANCEL, Reason.DRAIN]) is Action.GIVE_BACK


def test_how_an_attempt_begins() -> None:
    assert start(1, Log.EMPTY) is Start.AFRESH
    assert {start(2, Log.EMPTY), start(1, Log.LOST), start(2, Log.LOST)} == {Start.REBUILD}
    assert [start(2, log) for log in (Log.WHOLE, Log.SHORT)] == [Start.GO_ON, Start.RESTART]


@pytest.mark.parametrize("cancel", [False, True])
@pytest.mark.parametrize("stop", [False, True])
@pytest.mark.parametrize("rescues", [3, 4])
@pytest.mark.parametrize("answered", [False, True])
def test_the_first_step_of_an_attempt(cancel: bool, stop: bool, rescues: int, answered: bool) -> None:
    step = first_step(Row(cancel, stop, rescues, answered), max_attempts=3)
    if cancel:
        assert step is Step.END_CANCELLED
    elif rescues == 4:
        assert step is Step.END_OVER_BUDGET
    elif answered:
        assert step is Step.END_COMPLETED
    else:
        assert step is (Step.END_STOPPED if stop else Step.WRITE)

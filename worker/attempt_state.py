"""One attempt at a job as a state machine: what is known of its row and log, and what it is told, decide what it does.

Pure: whoever drives it does the reading and writing, asks here what comes next, and does that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Phase(StrEnum):
    """How far an attempt is. The last three are over."""

    CLAIMED = "claimed"  # the row is ours; the fence is being taken and the log read
    WRITING = "writing"  # a model is asked
    COMMITTING = "committing"  # the model has said all: the section becomes a checkpoint
    ENDING = "ending"  # the outcome is known, and becomes the row's
    WAITING = "waiting"  # the database is away, and a write of one of the phases before waits for it
    ENDED = "ended"
    # Queued again, for another attempt, or held until a person agrees; after a failure it costs one of the rescues.
    GIVEN_BACK = "given_back"
    LET_GO = "let_go"  # another attempt has the job, or it is gone: nothing more is written


class Reason(StrEnum):
    """Why an attempt may have to stop."""

    CANCEL = "cancel"
    WIND_DOWN = "wind_down"
    DRAIN = "drain"
    REPLACED = "replaced"
    FAILURE = "failure"  # an error of our own, not of the model and not of an absent database
    REVIEW = "review"  # a person is to agree on the plan; the attempt tells this itself


class Action(IntEnum):
    """What to do about a reason; of several the highest is done."""

    NOTHING = 0
    GIVE_BACK = 1
    END = 2
    LET_GO = 3


_NOTHING, _GIVE_BACK, _END, _LET_GO = Action

ACTIONS: Mapping[Phase, Mapping[Reason, Action]] = {
    phase: dict(zip(Reason, actions, strict=True))
    for phase, actions in {
        #                  cancel    wind_down  drain       replaced  failure    review
        Phase.CLAIMED: (_NOTHING, _NOTHING, _GIVE_BACK, _LET_GO, _GIVE_BACK, _NOTHING),
        Phase.WRITING: (_END, _END, _GIVE_BACK, _LET_GO, _END, _GIVE_BACK),
        Phase.COMMITTING: (_END, _NOTHING, _NOTHING, _LET_GO, _END, _NOTHING),
        Phase.ENDING: (_NOTHING, _NOTHING, _NOTHING, _LET_GO, _GIVE_BACK, _NOTHING),
        Phase.WAITING: (_NOTHING, _NOTHING, _GIVE_BACK, _LET_GO, _END, _GIVE_BACK),
    }.items()
}

TRANSITIONS: Mapping[Phase, frozenset[Phase]] = {
    Phase.CLAIMED: frozenset({Phase.WAITING, Phase.WRITING, Phase.ENDING, Phase.GIVEN_BACK, Phase.LET_GO}),
    Phase.WRITING: frozenset({Phase.COMMITTING, Phase.WAITING, Phase.ENDING, Phase.GIVEN_BACK, Phase.LET_GO}),
    Phase.COMMITTING: frozenset({Phase.WRITING, Phase.WAITING, Phase.ENDING, Phase.LET_GO}),
    Phase.ENDING: frozenset({Phase.WAITING, Phase.ENDED, Phase.GIVEN_BACK, Phase.LET_GO}),
    Phase.WAITING: frozenset(set(Phase) - {Phase.WAITING, Phase.ENDED}),
    Phase.ENDED: frozenset(),
    Phase.GIVEN_BACK: frozenset(),
    Phase.LET_GO: frozenset(),
}


def action(phase: Phase, reasons: Collection[Reason]) -> Action:
    """What an attempt in this phase does that has these reasons to stop."""
    return max((ACTIONS[phase][reason] for reason in reasons), default=Action.NOTHING)


class Log(StrEnum):
    """What a new attempt finds of its job's log once the fence is its own."""

    EMPTY = "empty"  # as the first attempt should find it
    WHOLE = "whole"  # a complete prefix, up to what its writer says the log had
    SHORT = "short"  # a complete prefix, but viewers have seen more: Redis has gone back to a time before
    LOST = "lost"  # gone or broken, or Redis does not answer


class Start(StrEnum):
    """How a new attempt begins its events."""

    AFRESH = "afresh"  # into the empty log
    GO_ON = "go_on"  # behind what the log has; text that the model says again goes on in the same items
    RESTART = "restart"  # behind what the log has, but half-written items are begun again: viewers saw more of them
    REBUILD = "rebuild"  # from the row alone; the log is put back by a swap


def start(attempt: int, log: Log) -> Start:
    """How attempt number `attempt` begins, given what it finds of the log."""
    if log is Log.EMPTY and attempt == 1:
        return Start.AFRESH
    return {Log.WHOLE: Start.GO_ON, Log.SHORT: Start.RESTART}.get(log, Start.REBUILD)


class Step(StrEnum):
    """What an attempt does once its events have begun."""

    WRITE = "write"
    END_CANCELLED = "end_cancelled"
    END_STOPPED = "end_stopped"
    END_OVER_BUDGET = "end_over_budget"
    END_COMPLETED = "end_completed"


@dataclass(frozen=True, slots=True)
class Row:
    """What the job's row says that decides an attempt's first step; `is_answered` when a checkpoint has all of it."""

    cancel_requested: bool
    stop_requested: bool
    rescues: int
    is_answered: bool


def first_step(row: Row, max_attempts: int) -> Step:
    """What is to be done: every claim ends the job, or its row has one rescue less to spend afterwards."""
    if row.cancel_requested:
        return Step.END_CANCELLED
    if row.rescues > max_attempts:
        return Step.END_OVER_BUDGET
    if row.is_answered:
        return Step.END_COMPLETED
    if row.stop_requested:
        return Step.END_STOPPED
    return Step.WRITE

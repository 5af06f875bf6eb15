"""What is said of a job's status: a sentence for each code, with as much as is known."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jobs.status.details import StatusDetails
from jobs.status.ended import details_of, ended_details
from jobs.status.sentences import SENTENCES, places
from tests.support.up import ROOT

EMPTY: dict[str, Any] = {"status": "completed", "output": [], "error": None, "incomplete_details": None, "penstock": {}}
FAULTS = {"penstock": {"faults": {"3": "no", "7": "no"}, "progress": {"total": 9}}}


@pytest.mark.parametrize("code", SENTENCES)
def test_every_code_can_be_said_without_knowing_more(code: str) -> None:
    said = StatusDetails(code).sentence()
    assert not places(said)
    assert said.endswith(".")


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_says_what_it_can(code: str) -> None:
    """The first text of each code has the most places, and is taken when all are known."""
    first = SENTENCES[code][0]
    known = {name: f"<{name}>" for name in places(first)} | {"n": 2}
    said = StatusDetails(code, known).sentence()
    assert all(f"<{name}>" in said for name in places(first) - {"n"})


def test_times_numbers_and_lists_are_written_for_people() -> None:
    wait = StatusDetails("rate_limited", {"wait_seconds": 12, "try_number": 2, "tries": 3})
    assert wait.sentence() == "The model server limits the rate: next try in 12 s, 2 of 3."
    queue = StatusDetails("in_queue", {"place": 3, "total": 1200, "eta_seconds": 250})
    assert queue.sentence() == "Number 3 of 1,200 in the queue, begins in about 4 min."
    unknown = StatusDetails("model_not_found", {"server": "http://m", "model": "{x}", "models": ["a", "b"]})
    assert unknown.sentence() == "The model server http://m has no model {x}; it has: a, b."
    assert StatusDetails("model_busy", {"model": "m", "n": 1}).sentence().startswith("m may run one job at a time")


def test_the_codes_are_documented() -> None:
    documented = re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs" / "statuses.md").read_text(), re.MULTILINE)
    assert dict(documented) == {code: alternatives[-1] for code, alternatives in SENTENCES.items()}


def test_a_code_of_another_version_is_shown_as_it_is() -> None:
    assert StatusDetails("not_yet_thought_of", {"n": 1}).sentence() == "not_yet_thought_of"


def test_the_wire_carries_all_of_it() -> None:
    details = StatusDetails("model_busy", {"model": "m", "n": 4})
    assert details.to_wire() == {"code": "model_busy", "message": details.sentence(), "model": "m", "n": 4}
    assert StatusDetails.from_wire(details.to_wire()) == details


@pytest.mark.parametrize(
    ("fields", "code", "values"),
    [
        ({}, "completed", {}),
        ({"penstock": {"notice": "The model gave no answer, only reasoning."}}, "only_reasoning", {}),
        ({"penstock": {"notice": "The model gave no answer."}}, "no_answer", {}),
        ({"output": [{"type": "message", "content": [{"type": "refusal"}]}]}, "refused", {}),
        ({"status": "failed", "error": {"code": "server_error"}}, "server_error", {}),
        ({"status": "cancelled", "incomplete_details": {"reason": "cancelled"}}, "cancelled", {}),
        ({"incomplete_details": {"reason": "stopped"}}, "stopped", {}),
        (
            {"incomplete_details": {"reason": "max_output_tokens"}, "max_output_tokens": 90},
            "max_output_tokens",
            {"limit": 90},
        ),
        ({"incomplete_details": {"reason": "section_failed"}, **FAULTS}, "section_failed", {"failed": 2, "total": 9}),
    ],
)
def test_a_response_says_how_it_ended(fields: dict[str, Any], code: str, values: dict[str, Any]) -> None:
    assert details_of({**EMPTY, **fields}) == StatusDetails(code, values)


def test_a_cause_that_is_known_is_told_and_read_again() -> None:
    failed = {**EMPTY, "status": "failed", "error": {"code": "server_error", "message": "no"}}
    cause = StatusDetails("key_refused", {"server": "http://m", "variable": "KEY"})
    assert ended_details(failed, cause) == cause
    assert details_of({**failed, "penstock": {"status_details": cause.to_wire()}}) == cause

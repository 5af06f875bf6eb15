"""Every invariant of the design is marked where the product enforces it, and has a test of its name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("jobs", "worker", "web", "cli")
NAMES = (
    "accepted_is_never_lost",
    "one_log_one_order",
    "one_end",
    "stale_writes_refused",
    "finished_items_stay",
    "never_false_success",
    "cancel_stops_the_spend",
    "owner_only",
    "nothing_executes",
    "ids_only_in_the_queue",
    "bystanders_go_on",
    "stored_is_readable",
)
MARK = re.compile(r"(?:#|--) invariant (\d+)\b")
TEST = re.compile(r"^ *(?:async )?def test_invariant_(\d+)_(\w+)\(", re.MULTILINE)


def sources(*directories: str) -> list[str]:
    paths = [path for directory in directories for path in sorted((ROOT / directory).rglob("*"))]
    return [path.read_text() for path in paths if path.suffix in (".py", ".lua")]


@pytest.mark.parametrize(("number", "name"), list(enumerate(NAMES, 1)), ids=NAMES)
def test_an_invariant_is_marked_and_tested(number: int, name: str) -> None:
    marked = {int(found) for source in sources(*PRODUCT) for found in MARK.findall(source)}
    assert number in marked, f"no line of the product is marked with invariant {number}"
    tests = [test for source in sources("tests") for of, test in TEST.findall(source) if int(of) == number]
    assert [test for test in tests if test.startswith(name)], f"no test_invariant_{number}_{name}"


def test_no_mark_or_test_is_of_an_unknown_invariant() -> None:
    marks = {int(found) for source in sources(*PRODUCT) for found in MARK.findall(source)}
    assert marks <= set(range(1, len(NAMES) + 1))
    for source in sources("tests"):
        for number, test in TEST.findall(source):
            assert test.startswith(NAMES[int(number) - 1]), f"test_invariant_{number}_{test}"

"""A value against a schema: right, and at a bounded cost."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from jobs.json_schema.acceptance import check_schema
from jobs.json_schema.validation import ValidationTooCostly, first_problem

# Seconds that another thread may wait on a loaded machine: far below a lease.
LONGEST_WAIT = 4.0
CLOSED = {"properties": {"a": {}}, "patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False}


def doubling(levels: int) -> dict[str, Any]:
    """A schema that takes 2 ** levels steps for any value that is no text."""
    parts: dict[str, Any] = {f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(levels)}
    return {"$defs": {**parts, f"d{levels}": {"type": "string"}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    ("schema", "value", "words"),
    [
        ({"pattern": "^a+$"}, "aab", "does not match"),
        ({"pattern": "b"}, "aba", None),
        (CLOSED, {"a": 1, "x": 2}, None),
        (CLOSED, {"a": 1, "x": "y"}, "not of type"),
        (CLOSED, {"a": 1, "b": 2}, "'b' was unexpected"),
        ({"additionalProperties": {"type": "string"}}, {"b": 2}, "not of type"),
        ({"uniqueItems": True}, [1, True, "1"], None),
        ({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2, "a": 1.0}], "twice"),
        ({"uniqueItems": False}, [1, 1], None),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "^(a+)+$"}, "a" * 100 + "!", "not match"),
        ({"multipleOf": 1e-300}, 1e300, "multiple"),
    ],
)
def test_the_first_problem_is_named(schema: dict[str, Any], value: Any, words: str | None) -> None:
    problem = first_problem(schema, value)
    assert (problem is None) if words is None else (problem is not None and words in problem.message)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 200_000 + "!"),
        ({"pattern": "((a?){300}){3}b"}, "a" * 200_000),
        (doubling(30), 5),
        ({"uniqueItems": True}, [{"a": number} for number in range(100_000)]),
        ({"items": {"enum": [list(range(1000))] * 100}}, [list(range(999))] * 1000),
    ],
    ids=["nested repetition", "large program", "doubling", "unique items", "long enums"],
)
def test_the_cost_is_bounded_and_other_threads_go_on(schema: dict[str, Any], value: Any) -> None:
    check_schema(schema)
    over = threading.Event()
    waits: list[float] = []

    def look() -> None:
        last = time.monotonic()
        while not over.is_set():
            time.sleep(0.01)
            now = time.monotonic()
            waits.append(now - last)
            last = now

    bystander = threading.Thread(target=look)
    bystander.start()
    began = time.monotonic()
    try:
        first_problem(schema, value)
    except ValidationTooCostly as error:
        assert "too many steps" in str(error)  # noqa: PT017  (either outcome will do: what counts is the time)
    seconds = time.monotonic() - began
    over.set()
    bystander.join()
    assert seconds < 30
    assert max(waits) < LONGEST_WAIT

"""A fault that repeats is one line a minute, with a count; others are not held up."""

from __future__ import annotations

import logging

from jobs.telemetry.repetitions import RepetitionFilter


class Clock:
    """Seconds, as the test sets them."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def record(message: str, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("jobs", level, "", 0, message, (), None)


def test_a_fault_is_told_once_a_minute_with_the_number_of_those_left_out() -> None:
    clock = Clock()
    lines = RepetitionFilter(logging.LogRecord.getMessage, clock)
    assert [lines.filter(record("away")) for _ in range(5)] == [True, False, False, False, False]
    assert lines.filter(record("something else"))
    clock.now = 61
    again = record("away")
    assert lines.filter(again)
    assert again.__dict__["repeated"] == 4
    assert not lines.filter(record("away"))


def test_what_is_no_fault_always_passes() -> None:
    lines = RepetitionFilter(logging.LogRecord.getMessage, Clock())
    assert all(lines.filter(record("GET /jobs 200", logging.INFO)) for _ in range(3))


def test_only_so_many_are_remembered() -> None:
    lines = RepetitionFilter(logging.LogRecord.getMessage, Clock())
    assert all(lines.filter(record(str(number))) for number in range(1001))
    assert lines.filter(record("0"))
    assert not lines.filter(record("1000"))

"""The curve of a job's pace: nothing gets lost of it, and it stays small however long the job takes."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from worker.publishing.rate_histogram import RateHistogram

SLOTS = 60
ADDITIONS = st.lists(st.tuples(st.integers(0, 50), st.floats(-1, 20_000) | st.floats(0, 70)), max_size=40)


@given(ADDITIONS, st.integers(0, 40))
def test_every_character_is_in_its_slot_whoever_goes_on(additions: list[tuple[int, float]], handed_over: int) -> None:
    rate_histogram = RateHistogram()
    for number, (characters, at) in enumerate(additions):
        if number == handed_over:
            rate_histogram = RateHistogram(rate_histogram.to_wire())
        rate_histogram.add(characters, at)
    wire = rate_histogram.to_wire()
    width = wire["slot_seconds"]
    counts = wire["characters"]
    slots = Counter[int]()
    for characters, at in additions:
        slots[max(0, int(at // width))] += characters
    assert counts == [slots[number] for number in range(len(counts))]
    assert sum(counts) == sum(characters for characters, _ in additions)
    # No wider than it has to be, and no longer than what it tells of.
    latest = max((at for _, at in additions), default=0.0)
    assert width == 1 or latest >= SLOTS * width / 2
    assert len(counts) == (max(0, int(latest // width)) + 1 if additions else 0) <= SLOTS


def test_what_is_told_does_not_change_any_more() -> None:
    rate_histogram = RateHistogram()
    rate_histogram.add(3, 0.5)
    wire = rate_histogram.to_wire()
    rate_histogram.add(4, 1.5)
    assert (wire, rate_histogram.to_wire()["characters"]) == ({"slot_seconds": 1, "characters": [3]}, [3, 4])

"""Two versions of a text, compared by words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.protocol.word_differences import Change, word_differences


@given(st.text(max_size=200), st.text(max_size=200))
def test_the_pieces_are_both_texts(old: str, new: str) -> None:
    pieces = word_differences(old, new)
    assert "".join(text for change, text in pieces if change is not Change.ADDED) == old
    assert "".join(text for change, text in pieces if change is not Change.REMOVED) == new


def test_only_the_words_that_differ_are_marked() -> None:
    assert word_differences("The tide is high.", "The tide was high.") == [
        (Change.SAME, "The tide "),
        (Change.REMOVED, "is"),
        (Change.ADDED, "was"),
        (Change.SAME, " high."),
    ]
    assert word_differences("潮汐很高", "潮汐不高") == [
        (Change.SAME, "潮汐"),
        (Change.REMOVED, "很"),
        (Change.ADDED, "不"),
        (Change.SAME, "高"),
    ]


def test_very_long_texts_are_compared_by_lines() -> None:
    old = "one two three\n" * 9000
    pieces = word_differences(old, old + "four\n")
    assert pieces == [(Change.SAME, old), (Change.ADDED, "four\n")]

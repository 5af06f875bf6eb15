"""Words are counted as the text comes, and the count is that of the whole, however it was cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.protocol.fold import Item, Part
from jobs.protocol.word_count import words_in

# What makes borders: letters, marks on them, Chinese of both planes, digits, and what is no part of any word.
LETTERS = st.sampled_from("aé\u0301_1中𠀀豈，. -'\n\0")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("It's 3 o'clock", 5),
        ("水从山上来。", 5),
        ("Penstock是水管", 4),
        ("a𠀀b", 3),
        (" – ", 0),
        ("naïve_1", 1),
    ],
)
def test_a_text_is_as_long_as_people_say(text: str, count: int) -> None:
    assert words_in(text) == count


@given(st.lists(st.lists(st.text(LETTERS, max_size=4), max_size=8), min_size=1, max_size=3))
def test_no_cut_changes_the_count(parts: list[list[str]]) -> None:
    item = Item("msg_1", "message", 0, 0)
    for pieces in parts:
        item.parts.append(Part("output_text"))
        for piece in pieces:
            item.add(item.parts[-1], piece)
    assert item.words == words_in("".join(part.text for part in item.parts))

"""Which parts of a long source a section is written from."""

from __future__ import annotations

from jobs.requests.sources.source_text import MOST_PARTS, PART_CHARACTERS, beginning, chosen, split

PARTS = ["The moon pulls the sea.", "Coasts give way: cliffs and dunes.", "潮汐发电站的成本", "Nothing of that."] * 3


def test_what_was_planned_is_used() -> None:
    assert chosen(PARTS, [3, 1, 3, 99, 0], "cliffs") == [1, 3]
    assert chosen([], [1], "cliffs") == []
    assert chosen(["one"], [], "cliffs") == [1]


def test_without_a_plan_the_parts_that_share_words_with_the_brief() -> None:
    assert chosen(PARTS, [], "How the Moon pulls") == [1, 5]
    assert chosen(PARTS, [], "发电成本") == [3, 7]
    assert chosen(PARTS, [], "volcanoes") == []


def test_of_too_many_those_that_have_most_to_do_with_the_brief() -> None:
    found = chosen(PARTS, range(1, 13), "cliffs and dunes of coasts, the moon")
    assert len(found) == MOST_PARTS
    assert {2, 6, 10} <= set(found)
    assert found == sorted(found)


def test_a_part_says_of_which_page_it_is() -> None:
    page = "Words of a long page. " * 20
    text = f"[n.pdf, p. 1]\n\n{'x' * PART_CHARACTERS}\n\n{page}\n\n[n.pdf, p. 2]\n\n{page}\n\n{'y' * PART_CHARACTERS}"
    parts = split(text)
    assert [beginning(part) for part in parts] == ["[n.pdf, p. 1]"] * 3 + ["[n.pdf, p. 2]"]
    assert beginning("No mark, but words\nand more") == "No mark, but words"

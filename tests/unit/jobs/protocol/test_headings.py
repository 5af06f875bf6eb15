"""Parts of a text: which words stand under which heading, and when a part is finished."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.protocol.headings import noted, parts_of
from jobs.requests.job_request import JobRequest
from jobs.requests.prompts import RenderedPrompt

HEADINGS = {"core": "[Core idea]", "example": "[Example]", "end": "【总结】"}


@pytest.mark.parametrize(
    "text",
    [
        "[Core idea]\nTides.\n[Example]\nA beach.\n【总结】\nThe moon.",
        "A word before.\n\n## [Core idea]\n\nTides.\n\n### [Example]\n\nA beach.\n\n**【总结】**\n\nThe moon.\n",
        "[Core idea] Tides.\n> [Example]: A beach.\n**【总结】：**The moon.",
        "  [Core idea]Tides.\n__[Example]__ A beach.\n【总结】The moon.",
    ],
)
def test_each_part_is_what_stands_under_its_heading(text: str) -> None:
    parts = {"core": "Tides.", "example": "A beach.", "end": "The moon."}
    assert parts_of(text, HEADINGS, whole=True) == parts
    assert list(parts_of(text, HEADINGS, whole=False)) == ["core", "example"]


def test_a_heading_counts_once_and_where_a_line_begins() -> None:
    text = "[Core idea]\nUnlike the [Example] below:\n[Example]\nOne.\n[Core idea]\nagain"
    assert parts_of(text, HEADINGS, whole=True) == {
        "core": "Unlike the [Example] below:",
        "example": "One.\n[Core idea]\nagain",
    }


def test_the_order_is_that_of_the_text_and_what_is_missing_is_not_there() -> None:
    parts = parts_of("【总结】\nfirst\n[Core idea]\n", HEADINGS, whole=True)
    assert list(parts.items()) == [("end", "first"), ("core", "")]
    assert parts_of("no heading at all", HEADINGS, whole=True) == {}


def test_a_heading_that_begins_another_or_a_word_is_not_taken_for_it() -> None:
    headings = {"a": "Core", "b": "Core idea", "c": "1."}
    assert parts_of("Core\none\nCore idea\ntwo\n1.three", headings, whole=True) == {
        "a": "one",
        "b": "two",
        "c": "three",
    }
    assert parts_of("Cores are many", headings, whole=True) == {}


@given(st.lists(st.sampled_from([*HEADINGS.values(), "\n", " ", "word", "*", "["]), max_size=30))
def test_a_finished_part_never_changes(pieces: list[str]) -> None:
    text, before = "".join(pieces), dict[str, str]()
    for end in range(len(text) + 1):
        now = parts_of(text[:end], HEADINGS, whole=False)
        assert before.items() <= now.items()
        before = now
    assert before.items() <= parts_of(text, HEADINGS, whole=True).items()


def test_only_a_prompt_that_declares_parts_has_them() -> None:
    assert noted(JobRequest(model="m"), "[Core idea] x", whole=True) == {}
    assert noted(JobRequest(model="m", prompt=RenderedPrompt(id="story")), "x", whole=True) == {}
    declares = JobRequest(model="m", prompt=RenderedPrompt(id="explainer", parts=HEADINGS))
    assert noted(declares, "[Core idea] x", whole=True) == {"parts": {"core": "x"}}

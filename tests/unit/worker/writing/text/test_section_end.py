"""The end of a section: the heading behind it is a heading, wherever the text was cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from worker.writing.text.section_end import section_end

LINES = [
    "",
    "a",
    "```",
    "```py",
    "~~~",
    "````",
    "- ```",
    "  ```",
    "> ```",
    "- a",
    "  b",
    "    ```",
    "1. ~~~",
    "| a |",
    "> a",
]
TEXTS = st.lists(st.sampled_from(LINES), max_size=8).map("\n".join)


@settings(deadline=None)
@given(TEXTS, st.data())
def test_the_next_heading_is_one(text: str, data: st.DataObject) -> None:
    text = text[: data.draw(st.integers(0, len(text)))]
    whole = text + section_end(text)
    assert whole.endswith("\n\n")
    tokens = MarkdownIt().enable("table").parse(f"{whole}## Next\n\nText")
    heading = tokens[-6]
    assert (heading.type, heading.tag, heading.level) == ("heading_open", "h2", 0)


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("a", "\n\n"),
        ("a\n", "\n"),
        ("a\n\n", ""),
        ("```\na", "\n```\n\n"),
        ("~~~~py\na\n", "~~~~\n\n"),
        ("- ```\n  a", "\n\n"),
    ],
)
def test_only_what_is_missing_is_added(text: str, missing: str) -> None:
    assert section_end(text) == missing

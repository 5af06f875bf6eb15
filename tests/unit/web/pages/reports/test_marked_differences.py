"""Two versions of a text on the page of a section: marks stand around words, and never break what is around them."""

from __future__ import annotations

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from tests.support.markup import Markup
from web.markdown.blocks import render_parts
from web.pages.reports.marked_differences import marked_differences

MARKDOWN = st.text(st.sampled_from('ab潮 *_`#->|<&"[]()$\\^:1.\n'), max_size=80)


def marked(old: str, new: str) -> tuple[str, str]:
    return marked_differences(*render_parts([(1, old), (2, new)]))


@given(MARKDOWN, MARKDOWN)
def test_without_the_marks_it_is_the_text_as_it_was(old: str, new: str) -> None:
    rendered = render_parts([(1, old), (2, new)])
    for html, before in zip(marked_differences(*rendered), rendered, strict=True):
        assert unescape(re.sub("</?(del|ins)>", "", html)) == unescape(before)
        assert Markup(f"<!doctype html>{html}").faults == Markup(f"<!doctype html>{before}").faults


def test_only_the_words_that_differ_are_marked() -> None:
    assert marked("The **tide** is high & dry.", "The **sea** is high & dry.") == (
        "<p>The <strong><del>tide</del></strong> is high &amp; dry.</p>\n",
        "<p>The <strong><ins>sea</ins></strong> is high &amp; dry.</p>\n",
    )


def test_no_mark_stands_between_the_cells_of_a_table_or_in_a_formula() -> None:
    old, new = marked("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\n$x^2$")
    assert "<del>" not in old
    assert re.findall("<td><ins>(.)</ins></td>", new) == ["3", "4"]
    assert re.search("<ins><math.*</math></ins>", new)
    assert new.count("<ins>") == 3


def test_very_long_texts_are_compared_by_pieces() -> None:
    old = "one two three\n\n" * 4000
    before, after = marked(old, f"{old}four\n")
    assert "<del>" not in before
    assert after.count("<ins>") == 1
    assert "<ins>four</ins>" in after

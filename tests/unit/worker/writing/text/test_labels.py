"""Footnotes and link references of a section, under labels that no other section of the report has."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.footnote import footnote_plugin

from worker.writing.text.labels import Labels


def own(text: str, section: int = 2) -> str:
    labels = Labels(section)
    return labels.feed(text) + labels.finish()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a[^1] b\n\n[^1]: note\n", "a[^2-1] b\n\n[^2-1]: note\n"),
        ("见[^注]。\n\n[^注]: 注释[^b]", "见[^2-注]。\n\n[^2-注]: 注释[^2-b]"),
        ("[the moon][1]\n\n[1]: http://a 'b'\n", "[the moon][2-1]\n\n[2-1]: http://a 'b'\n"),
        ("参见[文献][1]。", "参见[文献][2-1]。"),
        ("[x][] ![alt][y]", "[x][2-x] ![alt][2-y]"),
        ("[x]: http://a\n\nsee [x].", "[2-x]: http://a\n\nsee [x][2-x]."),
        ("[`a[0]`][x] [![i](u)][x]", "[`a[0]`][2-x] [![i](u)][2-x]"),
        ("[a\nb][x]", "[a\nb][2-x]"),
        ("- [1]: http://a\n\n[t][1]", "- [2-1]: http://a\n\n[t][2-1]"),
    ],
)
def test_labels_are_the_sections_own(text: str, expected: str) -> None:
    assert own(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "`[^1]` ``[a][b] ` ``", "```\n[^1]\n[a]: b\n[a][b]\n```\n", "~~~py\n[^1]\n~~~", "- ```\n  [^1]\n  ```\n",
        "> ```\n> [^1]\n> ```\n", "see [1], [2] and [1][2]", "x[0][1] and m_[i][j]", "[^a-z]+ [^0-9]", "\\[^1] \\[a][b",
        "- [ ] to do\n- [x] done", "[a](http://b) [sic]", "a\n[b]: c", "[^", "[", "[^1", "[a][",
    ],
)  # fmt: skip
def test_what_is_no_label_stays(text: str) -> None:
    assert own(text) == text


def test_a_short_reference_before_its_definition_stays_one() -> None:
    """Whether `[1]` is a reference is not known when it is written."""
    assert own("see [1].\n\n[1]: http://a\n") == "see [1].\n\n[2-1]: http://a\n[1]: http://a\n"


def test_joined_sections_keep_their_notes_apart() -> None:
    def section(number: int) -> str:
        text = (
            f"a[^1] and [the source][1] and [here][]\n\n[^1]: note {number}\n\n[1]: http://{number}.example\n"
            f"[here]: http://here{number}.example\n\n"
        )
        return own(text, number)

    html = MarkdownIt().use(footnote_plugin).render(section(1) + section(2) + section(12))
    for number in (1, 2, 12):
        assert f'<a href="http://{number}.example">the source</a>' in html
        assert f'<a href="http://here{number}.example">here</a>' in html
        assert html.count(f"note {number} <a") == 1

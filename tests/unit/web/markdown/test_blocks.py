"""A text rendered while it is written: blocks that never change, the same however it came, at a cost of its length."""

from __future__ import annotations

import re
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it.parser_block import ParserBlock

from tests.support.allowed_html import words_of
from tests.support.markdown_texts import ADDRESSES, BOLD, EXPECTED, FORMULAS, HOSTILE
from web.markdown.blocks import BlockSplitter, GrowingText, render
from web.markdown.renderer import Document

LIMIT = 8_000  # a longer block is cut

LINES = [
    "", " ", "\t", "a", "b **c**", " d", "  e", "    f", "\tg", "# h", "===", "---", "- i", "* j", "+ k", "-", "1. l",
    "2) m", "10. n", "  - o", "   1. p", "- ```", "  ```", "```", "```py", "~~~", "````", "    ```", "``` q", "> r",
    ">", "> ```", "> - s", "- > t", "| u | v |", "|---|---|", "w | x", "$$", "$$y", "z$$", "\\[", "\\]",
    "\\begin{align}", "\\end{align}", "&=", "[^1]: A", "[^2]:", "B[^1]", "[C]: http://d.example", "[C]", "[E]:", "'F'",
    "\\", "<b>", "&amp;", "\u3000G", "\u3000", "\f", "H  ",
]  # fmt: skip
FRAGMENTS = [
    *HOSTILE,
    *(text for text, _ in EXPECTED.values()),
    *FORMULAS,
    *BOLD,
    *ADDRESSES,
    *("\n", "\n\n", "\n\n\n", "\r\n", "\r"),
]
PATTERNS = [
    ">", "> ", "[", "![", "[![", "*", "**a ", "_a_", "~~", "`", "$", "$a ", "$$\n", "\\(", "\\[x\n", "\\begin{align}\n",
    "- ", "- a\n  ", "1. ", "|", "a|b\n-|-\n", "# a\n", "<", "&", "\\", "[a](", "[a][", "[^a]", "[^a]: ", "[a]: b\n",
    "x\n\n===\n", "```\n", "```\n\na\n", "- ```\n\n", "```py\n\t\n", "\n", "a\n\n   ", "> - ", "é", "“**”",
    "http://a", "www.a.", "a@", "a.b@c.d", "http://a/)", "|<br>",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(LINES), max_size=25).map("\n".join) | st.lists(
    st.sampled_from(FRAGMENTS), max_size=8
).map("".join)


def fed(*pieces: str) -> str:
    """The blocks of a text that comes in pieces, joined."""
    blocks = GrowingText()
    finished = [html for piece in pieces for html in blocks.feed(piece)]
    return "".join([*finished, *blocks.finish()])


def in_one_piece(text: str) -> str:
    """A text that was never cut."""
    document = Document()
    document.define(text)
    return document.html(text) + document.footnotes()


@settings(deadline=None)
@given(TEXTS, st.data())
def test_how_a_text_comes_never_shows(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert fed(*pieces) == fed(text)
    assert fed(*text) == fed(text)


@settings(deadline=None)
@given(TEXTS)
@example("  ```\n\n```\n  ```\na")
@example("```\n\na\n````\n\n```\nb\n\nc")
@example("a\n\u3000\nb\n\f\nc")
@example("- ```\n\na\n\n- b\n\n      c\n\n d\n\ne")
@example("1. ```\n\n```\n\na\n```\n\nb")
@example("- a\n- b\n\nc\n- d\n\n\n* e\n\n  f\n\n g")
@example("$$\na\n\n$$\n\nb\n$$\nc")
@example("[a]: b\n'c\n\n'd\n\n[^1]: e\n\n    f\n\n   g\n\n[^1]")
def test_cutting_changes_nothing(text: str) -> None:
    assert render(text) == in_one_piece(text.replace("\r", ""))


@settings(deadline=None)
@given(TEXTS)
def test_blocks_are_the_whole_text_but_for_what_is_defined_after_its_use(text: str) -> None:
    known = "[C]: http://d.example\n\n[^1]: A\n\n[^2]: B\n\n"
    text = known + text.replace("]:", "]")
    assert fed(*text) == render(text)


def test_a_block_is_finished_when_the_next_begins() -> None:
    blocks = GrowingText()
    assert blocks.feed("# a\n\nb **c") == []
    assert blocks.tail() == '<h1 id="text-a">a</h1>\n<p>b **c</p>\n'
    assert blocks.feed("**\nd\n\n") == ['<h1 id="text-a">a</h1>\n']
    assert blocks.tail() == "<p>b <strong>c</strong>\nd</p>\n"
    assert blocks.feed("- e\n\n- f\n\n  g\n\n") == ["<p>b <strong>c</strong>\nd</p>\n"]
    assert blocks.feed("```\nh\n\n") == ["<ul>\n<li>\n<p>e</p>\n</li>\n<li>\n<p>f</p>\n<p>g</p>\n</li>\n</ul>\n"]
    assert blocks.feed("i\n") == []
    assert blocks.tail() == "<pre><code>h\n\ni\n</code></pre>\n"
    assert blocks.feed("```\n") == ["<pre><code>h\n\ni\n</code></pre>\n"]
    assert blocks.tail() == ""
    assert blocks.feed("[^1]: j\n\nk\n\n# a\n") == ["<p>k</p>\n"]
    assert blocks.feed("\n[^1]\n\n") == ['<h1 id="text-a.2">a</h1>\n']
    named, footnotes = blocks.finish()
    assert words_of(named) == "[1]\n"
    assert words_of(footnotes).split() == ["j", "↩︎"]


LONG = {
    "list": "".join(f"{n}. item **w{n}**\n" for n in range(1, 1500)),
    "loose list": "".join(f"- item w{n}\n\n  more\n\n" for n in range(1300)),
    "list in a list": "- a\n" + "".join(f"  - item w{n}\n" for n in range(2500)),
    "table": "| head | v |\n|---|--:|\n" + "".join(f"| w{n} | `x` |\n" for n in range(1700)),
    "code": "```python\n" + "".join(f"def w{n}():\n    return 1\n\n" for n in range(1000)) + "```\n",
    "indented code": "a\n\n" + "".join(f"    x = w{n}\n" for n in range(2500)),
    "quote": "".join(f"> word w{n}\n" for n in range(2000)),
    "paragraph": "".join(f"word w{n}\n" for n in range(2500)),
    "one line": " ".join(f"w{n:05}" for n in range(5000)),
    "line without a space": "x" * 35_000,
    "formula": "$$\n" + "".join(f"w{n} +\n" for n in range(3000)),
    "paragraphs": "".join(f"word **w{n}** 和 `code`\n\n" for n in range(1000)),
}


@pytest.mark.parametrize("name", LONG)
def test_a_long_block_is_cut_without_loss(name: str) -> None:
    text = LONG[name]
    blocks = GrowingText()
    finished = []
    for start in range(0, len(text), 5000):
        finished += blocks.feed(text[start : start + 5000])
        assert len(words_of(blocks.tail())) < 3 * LIMIT
    finished += blocks.finish()
    assert len(finished) >= len(text) // (2 * LIMIT)
    assert "".join(finished) == render(text)
    assert re.findall(r"w\d+|x+", "".join(words_of("".join(finished)).split())) == re.findall(r"w\d+|x+", text)


@pytest.mark.parametrize(
    ("name", "opening"),
    [("code", '<pre><code class="language-python">'), ("table", "<table>\n<thead>"), ("list", "<ol")],
)
def test_what_is_cut_goes_on_as_what_it_was(name: str, opening: str) -> None:
    finished = GrowingText().feed(LONG[name])
    assert len(finished) > 2
    assert all(html.startswith(opening) for html in finished)


def test_numbers_go_on_where_a_list_was_cut() -> None:
    starts = re.findall(r'<ol start="(\d+)">\n<li>item <strong>w(\d+)', render(LONG["list"]))
    assert len(starts) > 2
    assert all(number == first for number, first in starts)


class Work:
    """Counts what a `with` block makes Python do: calls, and the characters that each parse is given.

    No clock: the machine may be busy.
    """

    def __enter__(self) -> Work:
        self.calls, self.parsed = 0, [0]
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        self.calls += event in ("call", "c_call")
        if event == "call" and frame.f_code is ParserBlock.parse.__code__:
            self.parsed.append(len(frame.f_locals["src"]))


@pytest.mark.parametrize("name", LONG)
def test_a_block_is_parsed_when_it_is_finished_and_not_before(name: str) -> None:
    text = LONG[name]
    blocks = GrowingText()
    with Work() as work:
        for start in range(0, len(text), 10):
            blocks.feed(text[start : start + 10])
        blocks.finish()
    assert sum(work.parsed) < 4 * len(text)
    assert max(work.parsed) < 4 * LIMIT


@pytest.mark.parametrize("name", LONG)
def test_a_tail_costs_no_more_than_the_longest_block(name: str) -> None:
    blocks = GrowingText()
    blocks.feed(LONG[name])
    with Work() as work:
        blocks.tail()
    assert sum(work.parsed) < 3 * LIMIT


@pytest.mark.parametrize("pattern", PATTERNS)
def test_hostile_text_is_cut_too(pattern: str) -> None:
    text = (pattern * 30_000)[:30_000]
    splitter = BlockSplitter()
    with Work() as work:
        pieces = [*splitter.feed(text), splitter.open]
    assert max(map(len, pieces)) < 3 * LIMIT
    assert sum(map(len, pieces)) < 1.2 * len(text)
    assert sum(work.parsed) < 3 * len(text)


def test_a_long_opening_is_not_repeated() -> None:
    text = "|" + "a|" * 2000 + "\n|" + "-|" * 2000 + "\n" + "|b\n" * 5000
    assert sum(map(len, BlockSplitter().feed(text))) <= len(text)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_hostile_block_costs_its_length(pattern: str) -> None:
    text = (pattern * 2000)[:2000]
    with Work() as work:
        Document().html(text)
    assert work.calls < 400 * len(text)


@pytest.mark.parametrize(
    "text",
    [
        "[a]: http://b.example/" + "c" * 2000 + "\n\n" + "[a]" * 4000,
        "|" + "a|" * 200 + "\n|" + "-|" * 200 + "\n" + "|a\n" * 1000,
    ],
)
def test_no_few_characters_become_megabytes(text: str) -> None:
    assert len(render(text)) < 1 << 20

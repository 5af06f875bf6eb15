"""The Markdown that models write, as people expect it, and that nothing hostile in it gets into a page."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.allowed_html import words_of
from tests.support.markdown_texts import ADDRESSES, BOLD, EXPECTED, FORMULAS, HOSTILE, NO_ADDRESSES, NO_FORMULAS
from web.markdown import sanitizer
from web.markdown.blocks import GrowingText, render, render_parts


@pytest.mark.parametrize("name", EXPECTED)
def test_markdown_is_what_people_expect(name: str) -> None:
    text, html = EXPECTED[name]
    assert render(text) == html + "\n"


@pytest.mark.parametrize("text", BOLD)
def test_emphasis_next_to_chinese_punctuation(text: str) -> None:
    assert render(text) == f"<p>{BOLD[text]}</p>\n"


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula(text: str) -> None:
    around, part = FORMULAS[text]
    html = render(text)
    assert html.startswith(around)
    assert part in html


@pytest.mark.parametrize("text", NO_FORMULAS)
def test_no_formula(text: str) -> None:
    html = render(text)
    assert "<math" not in html
    assert "formula" not in html


@pytest.mark.parametrize("text", ADDRESSES)
def test_a_bare_address_is_a_link(text: str) -> None:
    html = render(text)
    words = re.findall(
        r'<a href="(?:https?://|mailto:)[^" ]+" rel="noopener nofollow">([^<]*)</a>', html, re.IGNORECASE
    )
    assert list(map(unescape, words)) == [ADDRESSES[text]]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_stays_text(text: str) -> None:
    assert "<a" not in render(text)


def test_an_address_in_a_link_is_no_second_one() -> None:
    assert render("[https://a.example](https://b.example) <https://c.example>").count("<a ") == 2


def test_footnotes_and_links_belong_to_their_part() -> None:
    def part(number: int) -> str:
        return f"# Same\n\na[^1] and [x] and [y][1]\n\n[^1]: note {number}\n\n[x]: http://x{number}.example\n[1]: http://y{number}.example\n"

    first, second = render_parts([(1, part(1)), (2, part(2))])
    for number, html in ((1, first), (2, second)):
        assert f'<a href="#text-fn:{number}-1" id="text-fnref:{number}-1" rel="noopener nofollow">[1]</a>' in html
        assert f'<li id="text-fn:{number}-1" class="footnote-item"><p>note {number} ' in html
        assert f'href="http://x{number}.example"' in html
        assert f'href="http://y{number}.example"' in html
    assert 'id="text-same"' in first
    assert 'id="text-same.2"' in second


def test_a_footnote() -> None:
    html = render("a[^x] and[^x]\n\n[^x]: one\n\n    two\n\n[^y]: never named\n\nafter")
    assert (
        '<sup class="footnote-ref"><a href="#text-fn:1" id="text-fnref:1" rel="noopener nofollow">[1]</a></sup>' in html
    )
    assert '<a href="#text-fn:1" id="text-fnref:1:1" rel="noopener nofollow">[1:1]</a>' in html
    body, _, notes = html.partition('<hr class="footnotes-sep">')
    assert "after" in body
    assert "one" not in body
    assert '<li id="text-fn:1" class="footnote-item"><p>one</p>\n<p>two <a href="#text-fnref:1"' in notes
    assert "never" not in html


def test_what_is_defined_last_is_known_first() -> None:
    html = render("[a][x] and ![b][x]\n\nmore\n\n[x]: https://c.example/d 'e'\n")
    assert '<a href="https://c.example/d" title="e" rel="noopener nofollow">a</a>' in html
    assert ">b (c.example)</a>" in html


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_at_every_moment_of_its_coming(text: str) -> None:
    blocks = GrowingText()
    finished = []
    for character in text:
        finished += blocks.feed(character)
        words_of(blocks.tail())
    finished += blocks.finish()
    words_of("".join(finished))
    words_of(render(text))


@pytest.mark.parametrize("html", HOSTILE)
def test_the_wall_stands_alone(html: str) -> None:
    words_of(sanitizer.sanitize(html))
    words_of(
        sanitizer.sanitize(
            f'<a style="x" onclick="y" target="z" href="{html}" id="{html}">{html}<input name="key" {html}>'
        )
    )


def test_nothing_hostile_is_hidden_from_the_reader() -> None:
    assert "<script>alert(1)</script>" in words_of(render("a <script>alert(1)</script> b"))
    assert "[x](javascript:alert(1))" in words_of(render("[x](javascript:alert(1))"))
    assert words_of(render("![a chart](/chart.png)")) == "a chart\n"


def test_no_address_but_these_becomes_a_link() -> None:
    addresses = re.findall('href="([^"]*)"', render("\n\n".join(HOSTILE)))
    assert addresses
    assert {address.partition(":")[0].partition("-")[0] for address in addresses} <= {"http", "#text"}


MARKERS = r"""
# - 1. > ``` ~~~ $$ \[ \] \( \) ` * ** _ [ ]( ) ![ < > " ' & &# ; $ \ ]: [^ javascript: http://
"""
PIECES = st.sampled_from(
    [*HOSTILE, *(text for text, _ in EXPECTED.values()), *FORMULAS, *BOLD, *MARKERS.split(), " ", "\n", "\n\n", "    "]
)


@settings(deadline=None)
@given(st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join))
def test_any_text_is_rendered_to_what_is_allowed(text: str) -> None:
    words_of(render(text))

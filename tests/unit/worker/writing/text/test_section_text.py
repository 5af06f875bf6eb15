"""A section without its own title and wrapper, however its text was cut on the way."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.writing.text.section_text import SectionText

TITLE = "Causes of tides"
WORDS = "The moon pulls.\n\nThe sun pulls, too.\n"


def filtered(*pieces: str, number: int = 2, titles: tuple[str, ...] = (TITLE, "Tides")) -> str:
    text = SectionText(number, *titles)
    return "".join([*map(text.feed, pieces), text.finish()])


@pytest.mark.parametrize(
    "line",
    [
        "## Causes of tides", "# Causes of tides", "### Causes of tides ###", "## 2. Causes of tides",
        "Causes of tides",
        "**Causes of tides**", "__Causes of tides__", "**2. Causes of tides**", "2. Causes of tides",
        "2) CAUSES OF TIDES",
        "## **Causes of Tides**", "**Causes of tides:**", "Section 2: Causes of tides", "## 第二章 Causes of tides",
        "二、Causes of tides", "## II. Causes of tides", "2 Causes of tides", "Causes of tides\n===",
        "Causes of tides\n---",
        "\n\n## Causes of tides", "# Tides\n\n## Causes of tides", "## Causes of tides\r", "1.2 Causes of tides",
    ],
)  # fmt: skip
@pytest.mark.parametrize("between", ["\n", "\n\n", "\n\n\n"])
def test_a_title_is_not_given_twice(line: str, between: str) -> None:
    assert filtered(line + between + WORDS) == WORDS
    assert filtered(*(line + between + WORDS)) == WORDS


@pytest.mark.parametrize(
    "text",
    [
        "Causes of tides are many.\n", "**Causes of tides** are many.\n", "## Effects\n\nText", "### The moon\n\nText",
        "```python\nx = 1\n```\n\nText", "    code\n", "- Causes\n- Effects\n", "| a |\n|---|\n", "Text", "---\n\nText",
        "Text\n\n## Causes of tides\n\nText", "```\n## Causes of tides\n```\n",
    ],
)  # fmt: skip
def test_what_is_no_title_stays(text: str) -> None:
    assert filtered(text) == text
    assert filtered(*text) == text


def test_a_chinese_title_is_not_given_twice() -> None:
    for line in ("## 潮汐的成因", "**二、潮汐的成因**", "第二章 潮汐的成因", "2、潮汐的成因", "潮汐的成因："):
        assert filtered(f"{line}\n\n月亮。", titles=("潮汐的成因", "潮汐")) == "月亮。"


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("```markdown\n{}```", WORDS),
        ("```md\n{}```\n", WORDS),
        ("```Markdown\r\n{}```", WORDS),
        ("~~~markdown\n{}~~~", WORDS),
        ("````markdown\n{}````", WORDS + "```\ncode\n```\n"),
        ("\n```markdown\n{}```", WORDS + "```python\ncode\n```\nText\n"),
        ("```markdown\n{}```", WORDS + "\n```\ncode\n\ncode\n```\n\nText\n"),
        ("```markdown\n{}```", WORDS + "~~~\ncode\n~~~\nText\n"),
        ("```markdown\n{}```", "- ```sh\n  code\n  ```\n- Text\n"),
        ("```markdown\n## Causes of tides\n\n{}```", WORDS),
        ("## Causes of tides\n\n```markdown\n{}```", WORDS),
        ("```markdown\n{}", WORDS),
    ],
)
def test_a_fence_around_the_whole_is_taken_off(text: str, inner: str) -> None:
    whole = text.format(inner)
    assert filtered(whole) == inner
    assert filtered(*whole) == inner


def test_what_follows_a_wrapper_is_kept() -> None:
    assert filtered("```markdown\nText\n```\n\nI hope it helps.") == "Text\n\nI hope it helps."


@pytest.mark.parametrize("text", ["", "\n \n", "## Causes of tides", "**2. Causes of tides**\n\n", "```markdown\n```"])
def test_a_title_alone_is_no_text(text: str) -> None:
    assert filtered(text).strip() == ""


def test_a_plain_section_passes_as_it_comes_behind_its_first_line() -> None:
    text = SectionText(2, TITLE)
    assert text.feed("The moon ") == ""
    assert text.feed("pulls.\n") == "The moon pulls.\n"
    for piece in ("The", " sun", " pulls", ", too.", "\n", "\n", "So", " `do` ", "you", " [see] ", "it."):
        assert text.feed(piece) == piece


def test_a_long_first_line_is_not_waited_for() -> None:
    text = SectionText(2, TITLE)
    assert text.feed("word " * 40) == "word " * 40


LINES = [
    "", " ", "a", "## Causes of tides", "Causes of tides", "**1. Causes of tides**", "===", "---", "# Tides",
    "```markdown", "```", "```py", "~~~", "~~~md", "````", "- ```", "  ```", "> ```", "a `b` c", "a ``b` c", "[^1]",
    "a[^1]b", "[^1]: n", "[a][b]", "[b]: http://x", "[b]:", "[b]", "[b][]", "[1][2]", "[2]: http://y", "- [2]: z",
    "[![i](u)][b]", "[a", "c][b]", "[`]`][b]", "\\[b]", "\\", "[a](b)", "x[0][1]", "[^a-z]", "1. b", "2024", "-", "\r",
    "[" * 5, "x" * 150, "[" + "y" * 1100,
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(LINES) | st.text("[]^`\\:a1 -~\n", max_size=8), max_size=12).map("\n".join)


@settings(deadline=None)
@given(TEXTS, st.data())
@example("[b]: x\n[b]", None)
@example("Causes of tides\n\n---\na", None)
def test_how_a_text_is_cut_changes_nothing(text: str, data: st.DataObject | None) -> None:
    whole = filtered(text)
    assert filtered(*text) == whole
    if data is not None:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
        assert filtered(*(text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True))) == whole


@settings(deadline=None)
@given(TEXTS)
def test_no_more_than_a_line_is_held_back(text: str) -> None:
    section = SectionText(2)
    fed = ""
    for character in text:
        fed += character
        section.feed(character)
        held = section._labels._held + section._opening._held
        assert held.count("\n") <= 1
        assert len(held) <= 1100


@settings(deadline=None)
@given(st.text("abc .,\n#*-é月", max_size=80))
def test_a_text_without_brackets_and_code_is_changed_only_at_its_beginning(text: str) -> None:
    assert filtered(text, titles=()) == "".join(text.splitlines(keepends=True)[blank_lines(text) :])


def blank_lines(text: str) -> int:
    lines = text.split("\n")
    return next((number for number, line in enumerate(lines) if line.strip()), len(lines))

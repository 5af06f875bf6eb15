"""Titles without the numbers and marks that models put around them."""

from __future__ import annotations

import pytest

from worker.writing.outline.titles import clean_title, distinct, repeats_title

NUMBERED = [
    "1. Causes", "1.Causes", "1) Causes", "1、Causes", "1．Causes", "1: Causes", "1 - Causes", "1.1. Causes",
    "(1) Causes",
    "Section 4: Causes", "Chapter 2 Causes", "CHAPTER IV - Causes", "Part One: Causes", "Step 3. Causes",
    "第一章 Causes", "第1章：Causes", "第二部分：Causes", "第十二节 Causes", "一、Causes", "十二、Causes",
    "（三）Causes",
    "① Causes", "제1장 Causes", "**2. Causes**", "2. **Causes**", "## Causes ##", "### 3) Causes", "“Causes”",
    '"Causes"', "**Causes:**", "Causes：", "`Causes`", "[Causes](http://a.example)", "__Causes__", "1. 第一章 Causes",
]  # fmt: skip
PLAIN = [
    "3.5 million people", "1984", "2024 outlook", "2024: a year", "2001: A Space Odyssey", "C. elegans", "3D printing",
    "5G: the future", "7 habits", "Part of the story", "Partition of India", "Section review", "第二次世界大战",
    "一带一路",
    "十年之后", "三体", "Chapter 3", "第三章", "`a` and `b`", "*Nature* and *Science*",
]  # fmt: skip


@pytest.mark.parametrize("title", NUMBERED)
def test_numbers_and_marks_go(title: str) -> None:
    assert clean_title(title) == "Causes"
    assert repeats_title(title, "Causes")


@pytest.mark.parametrize("title", PLAIN)
def test_what_belongs_to_a_title_stays(title: str) -> None:
    assert clean_title(title) == title


@pytest.mark.parametrize(
    "line",
    [
        "1 Causes",
        "II. Causes",
        "1.2 causes",
        "# CAUSES",
        "**A. Causes**",
        "<h2>Causes</h2>",
        "## Causes {#causes}",
        "2\\. Causes",
    ],
)
def test_a_line_that_only_repeats_a_title(line: str) -> None:
    assert repeats_title(line, "Causes")


@pytest.mark.parametrize(
    "line", ["Causes are many.", "- Causes", "* Causes", "> Causes", "Effects", "", "---", "**Causes** and effects"]
)
def test_a_line_that_says_more(line: str) -> None:
    assert not repeats_title(line, "Causes")


def test_a_number_that_makes_a_title_new_is_new_itself() -> None:
    assert distinct(["a", "a (2)", "A"]) == ["a", "a (2)", "A (3)"]
    assert distinct(["总结"], ["总结"]) == ["总结 (2)"]

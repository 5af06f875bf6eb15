"""Outlines as models really send them: whatever holds two titles is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.writing.outline.outline import Outline
from worker.writing.outline.read_outline import read_outline

MOON = {"title": "The moon", "brief": "What pulls.", "sources": [1]}
COAST = {"title": "The coast", "brief": "What gives way.", "sources": []}
FIELDS = {"title": "Tides", "sections": [MOON, COAST]}
WHOLE = json.dumps(FIELDS)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def tides(sections: Any, key: str = "sections") -> str:
    return as_json({"title": "Tides", key: sections})


JSON = {
    "plain": WHOLE,
    "in a fence": f"```json\n{WHOLE}\n```",
    "in prose": f"Certainly! Here it is:\n\n{WHOLE}\n\nI hope it helps {{:)}}.",
    "in a fence and prose with brackets": f"As you [asked] {{me}}:\n~~~\n{WHOLE}\n~~~\nSee [1].",
    "indented": json.dumps(FIELDS, indent=4),
    "behind thoughts": f'<think>Perhaps {{"title": "No"}}?</think>\n{WHOLE}',
    "behind thoughts without an opening tag": f"First I [think] {{hard}}.</think>{WHOLE}",
    "behind thoughts of another spelling": f"<thinking>1. One\n2. Two</thinking>\n{WHOLE}",
    "behind a draft": f"{as_json({'title': 'Draft', 'sections': ['a', 'b']})}\n\nBetter:\n\n{WHOLE}",
    "with more keys": as_json({"language": "en", **FIELDS, "keywords": ["sea", "salt"], "words": 100}),
    "under one key": as_json({"report": FIELDS}),
    "under two keys": as_json({"data": {"outline": FIELDS}}),
    "in a list": as_json([FIELDS]),
    "as a string": as_json(WHOLE),
    "as `chapters`": tides([MOON, COAST], "chapters"),
    "as `outline`": tides([MOON, COAST], "outline"),
    "as `章节`": as_json({"标题": "Tides", "章节": [{"标题": "The moon"}, {"标题": "The coast"}]}),
    "as an object by number": tides({"1": MOON, "2": COAST}),
    "as an object by name": tides({"section_1": MOON, "section_2": COAST}),
    "as keys beside the title": as_json({"title": "Tides", "section 1": MOON, "section 2": COAST}),
    "as an object by title": tides({"The moon": "What pulls.", "The coast": {"brief": "What gives way."}}),
    "titles alone": tides(["The moon", "The coast"]),
    "titles alone, numbered": tides(["1. The moon", "2. The coast"]),
    "titles alone, by number": tides({"1": "The moon", "2": "The coast"}),
    "titles under other keys": as_json(
        {"report_title": "Tides", "sections": [{"section_title": "The moon"}, {"heading": "The coast"}]}
    ),
    "titles as keys": tides([{"The moon": "What pulls."}, {"The coast": ""}]),
    "numbers beside": tides([{"number": 1, **MOON}, {"number": 2, **COAST}]),
    "numbers in titles": tides([{"title": "Section 1: The moon"}, {"title": "Section 2: The coast"}]),
    "Chinese numbers": tides([{"title": "第一章 The moon"}, {"title": "第二章 The coast"}]),
    "bold titles": tides([{"title": "**1. The moon**"}, {"title": "## The coast ##"}]),
    "arguments of a tool call": as_json({"name": "outline", "arguments": as_json(FIELDS)}),
    "titles as `section`": tides([{"section": "The moon", "brief": "x"}, {"section": "The coast"}]),
    "numbers as `section`": tides([{"section": "1", "title": "The moon"}, {"section": "2", "title": "The coast"}]),
    "a title that says so": as_json({**FIELDS, "title": "**Report outline: Tides**"}),
    "sources null": tides([{**MOON, "sources": None}, {**COAST, "sources": None}]),
    "sources strings": tides([{**MOON, "sources": ["1", "Part 2"]}, {**COAST, "sources": "none"}]),
    "briefs as lists": tides([{"title": "The moon", "key_points": ["a", "b"]}, {"title": "The coast", "brief": [{}]}]),
    "cut off": WHOLE[:-2],
    "cut off in a brief": WHOLE[: WHOLE.index("gives")],
    "comments and trailing commas": '{"title": "Tides", // a\n"sections": [{"title": "The moon",}, /* b */\n'
    '{"title": "The coast",},],}',
    "single quotes": "{'title': 'Tides', 'sections': [{'title': 'The moon', 'brief': None}, {'title': 'The coast'}]}",
    "no quotes around keys": '{title: "Tides", sections: [{title: "The moon"}, {title: "The coast"}]}',
    "Chinese quotes": "{“title”：“Tides”，“sections”：[{“title”：“The moon”}，{“title”：“The coast”}]}",
    "a line end in a string": '{"title": "Tides", "sections": [{"title": "The moon", "brief": "a\nb [c"}, '
    '{"title": "The coast"}]}',
    "a comma missing": '{"title": "Tides" "sections": [{"title": "The moon"} {"title": "The coast"}]}',
}
UNTITLED = {
    "a bare list": as_json([MOON, COAST]),
    "a bare list of titles": '["The moon", "The coast"]',
    "an object per line": f"{as_json(MOON)}\n{as_json(COAST)}",
    "sections alone": as_json({"sections": [MOON, COAST]}),
    "numbers": "1. The moon\n2. The coast",
    "numbers with brackets": "1) The moon\n2) The coast\n",
    "numbers in bold": "**1. The moon**\nWhat pulls.\n\n**2. The coast**\nWhat gives way.",
    "numbers outside bold": "1. **The moon**: What pulls.\n2. **The coast**: What gives way.",
    "numbers and dashes": "1. The moon - What pulls.\n2. The coast — What gives way.",
    "numbers with briefs below": "1. The moon\n   - Near\n   - Far\n2. The coast\n   - Sand",
    "numbers with briefs at the margin": "1. The moon\n- Near\n- Far\n\n2. The coast\n- Sand",
    "numbers in levels": "1. The moon\n   1.1 Near\n   1.2 Far\n2. The coast\n   2.1 Sand\n   2.2 Rock",
    "numbers in levels at the margin": "1. The moon\n1.1 Near\n1.2 Far\n2. The coast\n2.1 Sand",
    "Chinese numbers in levels": "一、The moon\n（一）Near\n（二）Far\n二、The coast\n（一）Sand",
    "numbered words and dashes": "Section 1 - The moon\nSection 2 - The coast",
    "Roman numbers": "I. The moon\n   A. Near\nII. The coast\n   A. Sand",
    "Chinese numbers": "一、The moon\n二、The coast",
    "Chinese numbers in brackets": "（一）The moon\n（二）The coast",
    "Chinese chapters": "第一章 The moon\n第二章 The coast",
    "Chinese commas": "1、The moon\n2、The coast",
    "bullets": "- The moon\n- The coast",
    "stars in bold": "* **The moon**\n* **The coast**",
    "bullets like YAML": "- title: The moon\n  brief: What pulls.\n  sources: [1]\n- title: 'The coast'",
    "words": "Section 1: The moon\nSection 2: The coast",
    "prose around": "Sure, here is an outline.\n\n1. The moon\n2. The coast\n\nTell me what to change.",
    "a table": "| # | Section | Brief |\n|---|---|---|\n| 1 | The moon | What pulls. |\n| 2 | **The coast** | x |",
}
TITLED = {
    "headings": "# Tides\n\n## The moon\n\nWhat pulls.\n\n## The coast\n\nWhat gives way.",
    "numbered headings": "# Tides\n\n### 1. The moon\n### 2. The coast\n",
    "headings of one level": "# Tides\n# 1. The moon\n# 2. The coast",
    "a heading and a list": "# Tides\n\n1. The moon\n2. The coast",
    "a heading that says so": "# Report outline: Tides\n\n## The moon\n\n## The coast",
    "Chinese bold lines": "**报告标题：Tides**\n\n**一、The moon**\n内容：x\n\n**二、The coast**\n内容：y",
    "a list below its title": "- Tides\n  - The moon\n  - The coast",
    "bold lines": "**Tides**\n\n**Section 1: The moon**\n- Near\n\n**Section 2: The coast**\n- Sand",
    "a line for the title": "Title: Tides\n\n1. The moon\n2. The coast",
    "a Chinese line for the title": "标题：Tides\n\n一、The moon\n二、The coast",
    "a bold line for the title": "**Report title:** “Tides”\n\n- The moon\n- The coast",
    "YAML": "title: Tides\nsections:\n  - title: The moon\n    brief: What pulls.\n  - title: The coast\n",
    "in a fence": "```markdown\n# Tides\n\n- The moon\n- The coast\n```",
    "behind thoughts": "<think>\n1. Mars\n2. Venus\n</think>\n# Tides\n\n1. The moon\n2. The coast",
}


def titles_of(outline: Outline) -> list[str]:
    return [section.title for section in outline.sections]


@pytest.mark.parametrize("name", JSON)
def test_json_of_any_shape(name: str) -> None:
    outline = read_outline(JSON[name], "the sea")
    assert outline.title == "Tides"
    assert titles_of(outline) == ["The moon", "The coast"]


@pytest.mark.parametrize("name", UNTITLED)
def test_an_outline_without_a_title_has_that_of_its_topic(name: str) -> None:
    outline = read_outline(UNTITLED[name], "the sea")
    assert outline.title == "the sea"
    assert titles_of(outline) == ["The moon", "The coast"]


@pytest.mark.parametrize("name", TITLED)
def test_lines_with_a_title(name: str) -> None:
    outline = read_outline(TITLED[name], "the sea")
    assert outline.title == "Tides"
    assert titles_of(outline) == ["The moon", "The coast"]


def test_briefs_and_sources_come_along() -> None:
    for text in (WHOLE, JSON["as an object by number"], JSON["cut off"]):
        first, second = read_outline(text, "x").sections
        assert (first.brief, first.sources) == ("What pulls.", (1,))
        assert (second.brief, second.sources) == ("What gives way.", ())
    assert [section.sources for section in read_outline(JSON["sources strings"], "x").sections] == [(1, 2), ()]
    assert [section.brief for section in read_outline(UNTITLED["numbers outside bold"], "x").sections] == [
        "What pulls.",
        "What gives way.",
    ]
    assert read_outline(UNTITLED["numbers with briefs below"], "x").sections[0].brief == "Near Far"
    yaml = read_outline(UNTITLED["bullets like YAML"], "x").sections[0]
    assert (yaml.brief, yaml.sources) == ("What pulls.", (1,))
    assert read_outline(TITLED["headings"], "x").sections[1].brief == "What gives way."
    assert read_outline(JSON["briefs as lists"], "x").sections[0].brief == "a; b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "Certainly!",
        "null",
        "[]",
        "[1, 2]",
        '{"title": "x", "sections": []}',
        '{"title": "x"}',
        "1. only",
        '{"status": "error", "message": "I cannot do that."}',
        '{"error": {"message": "Overloaded", "code": "x"}}',
        as_json(
            {"title": "outline", "type": "object", "properties": {"title": {"type": "string"}, "b": {"type": "array"}}}
        ),
        "- ",
    ],
)
def test_what_holds_no_two_titles_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no two titles|is empty"):
        read_outline(text, "x")


def test_a_refusal_quotes_the_first_words() -> None:
    with pytest.raises(ValueError, match="“I am sorry, but I cannot plan this.”"):
        read_outline("I am sorry,\nbut I cannot plan this.", "x")


def test_more_sections_than_asked_for_are_left_out_and_fewer_are_taken() -> None:
    many = tides([f"Part number {number}" for number in range(30)])
    assert len(read_outline(many, "x", 3).sections) == 3
    assert len(read_outline(many, "x").sections) == 12
    assert len(read_outline(WHOLE, "x", 5).sections) == 2


WORDS = st.sampled_from(
    [*'{}[]":,\n-#*|`\\', "1. ", "## ", "title", "sections", "<think>", "</think>", "一、", "**a** b"]
)


@settings(deadline=None)
@given(
    st.lists(WORDS | st.text(max_size=4), max_size=30).map("".join)
    | st.integers(0, len(WHOLE)).map(lambda end: WHOLE[:end])
)
def test_any_answer_is_an_outline_or_refused(text: str) -> None:
    try:
        outline = read_outline(text, "x")
    except ValueError:
        return
    assert outline.title
    assert all(titles_of(outline))
    assert len(set(titles_of(outline))) == len(outline.sections)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"' * 100_000,
        '{"' * 300 + "x" * 20_000,
        "{'a" * 290 + "," * 20_000,
        "# " * 100_000,
        '{} ["' * 20_000,
    ],
)
def test_a_model_that_loops_is_refused_in_time(text: str) -> None:
    with pytest.raises(ValueError, match="no two titles") as refused:
        read_outline(text, "x")
    assert len(str(refused.value)) < 300


def test_a_list_that_loops_is_cut() -> None:
    assert len(read_outline("1. a\n" * 50_000, "x").sections) == 12


def test_a_mark_within_a_line_of_a_brief_stays() -> None:
    outline = read_outline("1. The moon\n   - Near - and far\n   - Both\n2. The coast\n   - Sand", "x")
    assert outline.sections[0].brief == "Near - and far Both"

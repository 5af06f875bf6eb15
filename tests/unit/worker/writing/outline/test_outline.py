"""The outline of a report, as people see it while it is written and when it is whole."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from worker.writing.outline.outline import Outline, PlannedSection, schema_of, written_so_far

FIELDS: dict[str, Any] = {
    "title": "Tides",
    "sections": [
        {"title": "The moon", "brief": "What pulls.", "sources": [1]},
        {"title": "The coast", "brief": "What gives way.", "sources": []},
    ],
}
WHOLE = json.dumps(FIELDS, ensure_ascii=False)


def outline_of(*titles: str) -> Outline:
    return Outline(title="Tides", sections=tuple(PlannedSection(title=title) for title in titles))


def titles_of(outline: Outline) -> list[str]:
    return [section.title for section in outline.sections]


def test_the_schema_is_strict() -> None:
    """As OpenAI's `strict` has it: no other fields, and none that may be missing."""
    validator = Draft202012Validator(schema_of(2))
    validator.validate(FIELDS)
    assert not validator.is_valid({**FIELDS, "note": ""})
    assert not validator.is_valid({"title": "x", "sections": [{"title": "a", "brief": ""}] * 2})
    assert not Draft202012Validator(schema_of(3)).is_valid(FIELDS)


def test_a_title_is_one_line() -> None:
    outline = Outline(
        title="a\n# b\r\n\n" + "x" * 500, sections=(PlannedSection(title="## c\u2028d"), PlannedSection(title="e"))
    ).tidy(12)
    assert outline.title.startswith("a # b xxx")
    assert len(outline.title) == 200
    assert titles_of(outline) == ["c d", "e"]


def test_an_outline_survives_its_checkpoint() -> None:
    outline = Outline.model_validate(FIELDS)
    assert Outline.model_validate_json(outline.model_dump_json()) == outline


def test_no_title_comes_twice() -> None:
    assert titles_of(outline_of("Causes", "2. **Causes**", "causes", "Effects").tidy(12)) == [
        "Causes",
        "Causes (2)",
        "causes (3)",
        "Effects",
    ]
    assert titles_of(outline_of("原因", "一、原因").tidy(12)) == ["原因", "原因 (2)"]


def test_too_many_sections_are_left_out() -> None:
    assert titles_of(outline_of("a", "b", "c").tidy(2)) == ["a", "b"]


def test_a_section_that_is_written_in_any_case_is_not_planned() -> None:
    assert titles_of(outline_of("a", "b", "Summary").tidy(12, "Summary")) == ["a", "b"]


def test_numbers_that_count_the_sections_go_and_others_stay() -> None:
    assert titles_of(outline_of("1 Causes", "2 Effects").tidy(12)) == ["Causes", "Effects"]
    assert titles_of(outline_of("A. Causes", "B. Effects").tidy(12)) == ["Causes", "Effects"]
    assert titles_of(outline_of("I. Causes", "II. Effects").tidy(12)) == ["Causes", "Effects"]
    assert titles_of(outline_of("C. elegans", "D. melanogaster").tidy(12)) == ["C. elegans", "D. melanogaster"]
    assert titles_of(outline_of("7 habits", "2 Effects").tidy(12)) == ["7 habits", "2 Effects"]


def test_lines_appear_in_order_and_only_when_they_are_certain() -> None:
    shown = ""
    for end in range(len(WHOLE) + 1):
        now = written_so_far(WHOLE[:end])
        assert now.startswith(shown)
        shown = now
    assert "**The moon** What pulls." in shown
    assert Outline.model_validate(FIELDS).lines().startswith(shown)


def test_no_line_appears_that_the_outline_will_not_have() -> None:
    text = json.dumps({"title": "x", "sections": [{"title": f"1{n}. T{n}", "brief": None} for n in range(9)]})
    assert written_so_far(text, limit=3) == "# x\n\n1. **T0**\n2. **T1**\n3. **T2**\n"

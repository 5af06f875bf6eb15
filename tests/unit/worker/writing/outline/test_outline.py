"""The outline of a report, as models give it and as people see it while it is written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.writing.outline import Chapter, Outline, schema_of, written_so_far

FOUND: dict[str, Any] = {
    "title": "Tides",
    "sections": [
        {"title": "The moon", "brief": "What pulls.", "sources": [1]},
        {"title": "The coast", "brief": "What gives way.", "sources": []},
    ],
}
WHOLE = json.dumps(FOUND, ensure_ascii=False)


@pytest.mark.parametrize("text", [WHOLE, f"```json\n{WHOLE}\n```", f"Here it is:\n```\n{WHOLE}\n```"])
def test_an_outline_is_read_with_or_without_a_fence(text: str) -> None:
    outline = Outline.read(text, schema_of(2))
    assert outline.title == "Tides"
    assert outline.sections[0] == Chapter(title="The moon", brief="What pulls.", sources=(1,))
    assert Outline.model_validate_json(outline.model_dump_json()) == outline


@pytest.mark.parametrize(
    "text", ["", "Certainly!", WHOLE[:-2], '{"title": "x", "sections": []}', '{"title": "x"}', "[]"]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Outline.read(text, schema_of(0))


def test_another_number_of_sections_than_asked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="sections"):
        Outline.read(WHOLE, schema_of(3))


def test_a_title_is_one_line() -> None:
    hostile = {"title": "a\n# b\r\n\n" + "x" * 500, "sections": [{"title": "## c\u2028d", "brief": ""}]}
    outline = Outline.read(json.dumps(hostile), schema_of(0))
    assert outline.title.startswith("a # b xxx")
    assert len(outline.title) == 200
    assert outline.sections[0].title == "c d"


def test_lines_appear_in_order_and_only_when_they_are_certain() -> None:
    shown = ""
    for end in range(len(WHOLE) + 1):
        now = written_so_far(WHOLE[:end])
        assert now.startswith(shown)
        shown = now
    assert "**The moon** What pulls." in shown
    assert Outline.model_validate(FOUND).lines().startswith(shown)

"""The outline of a report: what is asked for, what is kept, and how people see it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from langchain_core.utils.json import parse_partial_json
from pydantic import AfterValidator, BaseModel

from jobs.requests.sources.source_text import chosen
from worker.writing.outline.titles import clean_title, distinct, one_line, without_marks, without_positions

MAX_SECTIONS = 12

# What a title says of itself: "Report outline: Tides".
_KIND = re.compile(
    r"(?:(?:report|outline|title|plan)\s*){1,2}[:：]\s*|(?:报告|提纲|大纲|标题|题目){1,2}[:：]\s*", re.IGNORECASE
)

Title = Annotated[str, AfterValidator(one_line)]


class PlannedSection(BaseModel, frozen=True):
    """A section to be written; `sources` are the numbers of the source parts that it needs."""

    title: Title
    brief: str = ""
    sources: tuple[int, ...] = ()


class Outline(BaseModel, frozen=True):
    """What a report will be; checkpoints and responses have it as JSON."""

    title: Title
    sections: tuple[PlannedSection, ...]

    def tidy(self, limit: int, reserved: str = "") -> Outline:
        """The outline with at most so many sections, titles without numbers, no title twice.

        `reserved` is the title of a section that is written in any case: the outline need not have it.
        """
        sections = [section for section in self.sections if section.title != reserved]
        sections = sections[:limit] if len(sections) > 1 else [*self.sections[:limit]]
        titles = without_positions([without_marks(one_line(section.title)) for section in sections])
        names = distinct([clean_title(title) for title in titles], [reserved] if reserved else [])
        renamed = (section.model_copy(update={"title": name}) for section, name in zip(sections, names, strict=True))
        return Outline(title=clean_title(_KIND.sub("", without_marks(self.title), count=1)), sections=tuple(renamed))

    def with_sources(self, parts: Sequence[str]) -> Outline:
        """The outline with the parts of the source that each section is written from."""
        sections = (
            section.model_copy(
                update={"sources": tuple(chosen(parts, section.sources, f"{section.title} {section.brief}"))}
            )
            for section in self.sections
        )
        return self.model_copy(update={"sections": tuple(sections)})

    def lines(self) -> str:
        """The outline as people read it."""
        return "".join(_lines(self.model_dump()))


def schema_of(sections: int) -> dict[str, Any]:
    """The strict JSON schema of an outline with so many sections; 0 leaves their number open."""
    text = {"type": "string"}
    strict = {"type": "object", "additionalProperties": False}
    fields = {"title": text, "brief": text, "sources": {"type": "array", "items": {"type": "integer"}}}
    section = {**strict, "properties": fields, "required": [*fields]}
    count = {"minItems": sections or 1, "maxItems": sections or MAX_SECTIONS}
    outline = {"title": text, "sections": {"type": "array", "items": section, **count}}
    return {**strict, "properties": outline, "required": [*outline]}


def written_so_far(text: str, limit: int = MAX_SECTIONS) -> str:
    """The lines that half an answer certainly has: of each section but the one that is being written."""
    try:
        outline = parse_partial_json(text[text.index("{") :])
    except ValueError:
        return ""
    if (
        not isinstance(outline, dict)
        or [*outline] != ["title", "sections"]
        or not isinstance(outline["sections"], list)
    ):
        return ""
    return "".join(_lines({**outline, "sections": outline["sections"][:-1][:limit]}))


def _lines(outline: dict[str, Any]) -> Iterator[str]:
    yield f"# {clean_title(str(outline['title']))}\n\n"
    for number, section in enumerate(outline["sections"], 1):
        if not isinstance(section, dict):
            return
        brief = section.get("brief") or ""
        yield f"{number}. **{clean_title(str(section.get('title')))}** {brief}".rstrip() + "\n"

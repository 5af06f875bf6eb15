"""The outline of a report: what is asked for, how an answer is read, and how people see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Self

from langchain_core.utils.json import parse_partial_json
from pydantic import AfterValidator, BaseModel

from worker.model.structured import parsed

_MOST_SECTIONS = 12
_LONGEST_TITLE = 200


def _line(title: str) -> str:
    """A title as a heading can hold it, whatever the model made of it."""
    return " ".join(title.split()).lstrip("# ")[:_LONGEST_TITLE]


Title = Annotated[str, AfterValidator(_line)]


class Chapter(BaseModel, frozen=True):
    """A section to be written; `sources` are the numbers of the source parts that it needs."""

    title: Title
    brief: str
    sources: tuple[int, ...] = ()


class Outline(BaseModel, frozen=True):
    """What a report will be; checkpoints and responses have it as JSON."""

    title: Title
    sections: tuple[Chapter, ...]

    @classmethod
    def read(cls, text: str, schema: dict[str, Any]) -> Self:
        """The outline in a model's answer. Raises ValueError that says what is wrong with it."""
        return cls.model_validate(parsed(text, schema))

    def lines(self) -> str:
        """The outline as people read it."""
        return "".join(_lines(self.model_dump()))


def schema_of(sections: int) -> dict[str, Any]:
    """The JSON schema of an outline with so many sections; 0 leaves their number open."""
    text, closed = {"type": "string"}, {"type": "object", "additionalProperties": False}
    about = {"title": text, "brief": text, "sources": {"type": "array", "items": {"type": "integer"}}}
    section = {**closed, "properties": about, "required": ["title", "brief"]}
    count = {"minItems": sections or 1, "maxItems": sections or _MOST_SECTIONS}
    whole = {"title": text, "sections": {"type": "array", "items": section, **count}}
    return {**closed, "properties": whole, "required": [*whole]}


def written_so_far(text: str) -> str:
    """The lines that half an answer certainly has: of each section but the one that is being written."""
    try:
        found = parse_partial_json(text[text.index("{") :])
    except ValueError:
        return ""
    if not isinstance(found, dict) or list(found) != ["title", "sections"] or not isinstance(found["sections"], list):
        return ""
    return "".join(_lines({**found, "sections": found["sections"][:-1]}))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"# {_line(str(found['title']))}\n\n"
    for number, section in enumerate(found["sections"], 1):
        if not isinstance(section, dict):
            return
        yield f"{number}. **{_line(str(section.get('title')))}** {section.get('brief')}\n"

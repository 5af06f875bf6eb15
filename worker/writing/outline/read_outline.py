"""Reads the outline in a model's answer: strictly asked for, leniently taken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import json_repair

from worker.writing.outline.json_outline import outline_in
from worker.writing.outline.outline import MAX_SECTIONS, Outline
from worker.writing.outline.text_outline import outline_in_text
from worker.writing.outline.titles import clean_title

# A longer answer is no outline but a model that loops.
_MAX_ANSWER = 50_000
_MAX_REPAIRED = 30_000
_MAX_OPENED = 300
_MAX_VALUES = 20
_QUOTED_CHARACTERS = 200
_THOUGHTS = re.compile(r"(?s)\A.*</(?:think|thinking|thought|seed:think)>|\A.*\[/THINK\]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_OPENING = re.compile(r"[\[{]")
_BRACKET = re.compile(r'["\[\]{}]')


def read_outline(text: str, topic: str, sections: int = 0, reserved: str = "") -> Outline:
    """The outline in an answer, with at most so many sections; 0 leaves their number open.

    It is called `topic` if the model gave it no title. `reserved` is the title of a section that is written in any
    case. Raises ValueError, with the first words of an answer that does not hold two titles.
    """
    answer = _THOUGHTS.sub("", text[:_MAX_ANSWER]).strip()
    outline = _from_json(answer) or outline_in_text(answer)
    if outline is None:
        words = " ".join(text.split())[:_QUOTED_CHARACTERS]
        raise ValueError(f"it holds no two titles and begins “{words}”" if words else "it is empty")
    if not clean_title(outline.title):
        outline = outline.model_copy(update={"title": clean_title(topic)})
    return outline.tidy(sections or MAX_SECTIONS, reserved)


def _from_json(text: str) -> Outline | None:
    """The last outline that is JSON or nearly so: a draft or an example may stand before it."""
    sources = [*_outermost_values(text)][-_MAX_VALUES:]
    values = [value for source in sources for value in _parsed(source)]
    outlines = [outline for value in values if (outline := outline_in(value))]
    if outlines:
        return outlines[-1]
    # Objects one after the other are sections that nobody has put into a list.
    if outline := outline_in([value for value in values if isinstance(value, dict)]):
        return outline
    # A quote that is missing makes one value look like many.
    whole = _parsed(text[text.index(sources[0]) :]) if len(sources) > 1 else ()
    return next((outline for value in whole if (outline := outline_in(value))), None)


def _parsed(source: str) -> Iterator[Any]:
    with suppress(ValueError, RecursionError):
        yield json.loads(source, strict=False)  # it lets line ends be within strings
        return
    # The repair of a model's loop takes time that grows with the square of what is open.
    if len(source) <= _MAX_REPAIRED and len(_OPENING.findall(source)) <= _MAX_OPENED:
        with suppress(Exception):  # it raises whatever its own code does on what is far from JSON
            yield json_repair.loads(source)


def _outermost_values(text: str) -> Iterator[str]:
    """What stands between brackets that stand in no others; up to the end if the last ones are not closed."""
    depth, start, position = 0, 0, 0
    while bracket := _BRACKET.search(text, position):
        position = bracket.end()
        if bracket[0] == '"':
            if depth and (string := _STRING.match(text, bracket.start())):
                position = string.end()
        elif bracket[0] in "[{":
            start = start if depth else bracket.start()
            depth += 1
        elif depth:
            depth -= 1
            if not depth:
                yield text[start:position]
    if depth:
        yield text[start:]

"""An outline in a JSON value, whatever keys and shapes the model chose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from worker.writing.outline.outline import Outline, PlannedSection
from worker.writing.outline.titles import title_key

# Without spaces and marks, in lower case: `section_title` is read as `sectiontitle`, which ends in `title`.
_TITLE_KEYS = frozenset(
    ["title", "name", "heading", "header", "topic", "subject", "label", "headline"]
    + ["标题", "题目", "名称", "主题", "章节", "章节标题", "节"]
)
_BRIEF_KEYS = frozenset(
    ["brief", "description", "summary", "content", "contents", "details", "about", "overview", "purpose", "focus"]
    + ["text", "instructions", "keypoints", "points", "bullets", "subsections", "subtopics"]
    + ["简介", "概述", "描述", "内容", "摘要", "要点", "说明"]
)
# Titles if nothing else is one: `{"section": "The moon"}`, but not `{"section": 1}`.
_PART_KEYS = frozenset(["section", "chapter", "part"])
_SOURCE_KEYS = frozenset(["sources", "source", "references", "资料", "来源"])
_OTHER_KEYS = _BRIEF_KEYS | _SOURCE_KEYS | {"number", "id"}
_SECTION_KEYS = ("sections", "chapters", "outline", "parts", "章节", "大纲", "提纲", "目录", "各节")
_ORDER = re.compile(
    r"\W*+(section|chapter|part|item|sec|ch|s|第)?[\W_]*+([0-9]++|[一二三四五六七八九十]++)\W*+[章节部分]*+\W*+", re.I
)
_SCHEMA_TYPES = ("string", "array", "object", "integer")
_MAX_DEPTH = 5


def outline_in(value: Any) -> Outline | None:
    """The outline that a JSON value describes; without a title of its own, its title is empty. None if it has none."""
    return _outline(value, depth=0)


def _outline(value: Any, depth: int) -> Outline | None:
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return _outline_of_object(value, depth)
    if not isinstance(value, list):
        return None
    if len(value) == 1 and isinstance(value[0], Mapping) and (inner := _outline(value[0], depth + 1)):
        return inner
    return _of_sections("", value)


def _outline_of_object(value: Mapping[str, Any], depth: int) -> Outline | None:
    title = _text_under(value, _TITLE_KEYS, suffix="title")
    for inner in _candidates(value):
        if outline := _of_sections(title, inner):
            return outline
    for inner in map(_unquoted, value.values()):
        if isinstance(inner, Mapping | list) and (outline := _outline(inner, depth + 1)):
            return outline if outline.title else outline.model_copy(update={"title": title})
    counted = {key: inner for key, inner in value.items() if _ORDER.fullmatch(key)}
    # Keys are titles only of objects: `{"status": "error", "message": "no"}` is no outline.
    keyed = value if not title and all(isinstance(inner, Mapping) for inner in value.values()) else {}
    return _of_sections(title, counted or keyed)


def _unquoted(value: Any) -> Any:
    """The JSON within a string, as the arguments of a tool call are."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        with suppress(ValueError, RecursionError):
            return json.loads(value, strict=False)
    return value


def _of_sections(title: str, value: Any) -> Outline | None:
    """An outline of these sections, if it holds two titles."""
    sections = tuple(_sections(value))
    return Outline(title=title, sections=sections) if len(sections) + bool(title) > 1 and sections else None


def _candidates(value: Mapping[str, Any]) -> Iterator[Any]:
    """What may be the sections of an outline: first what is called so, then any list."""
    named = {key.strip().casefold(): inner for key, inner in value.items()}
    for key in _SECTION_KEYS:
        inner = named.get(key)
        if isinstance(inner, list) or (isinstance(inner, Mapping) and not _is_outline(inner)):
            yield inner
    for key, inner in value.items():
        if isinstance(inner, list) and _key(key) not in _BRIEF_KEYS | _SOURCE_KEYS:
            yield inner


def _is_outline(value: Mapping[str, Any]) -> bool:
    """Whether an object has sections under a key of its own, and so is no collection of sections itself."""
    return any(key.strip().casefold() in _SECTION_KEYS for key in value)


def _sections(value: Any) -> Iterator[PlannedSection]:
    if isinstance(value, Mapping):
        entries = [_with_key(key, inner) for key, inner in value.items()]
    else:
        entries = value if isinstance(value, list) else []
    for entry in entries:
        section = _section(entry)
        if section is not None and title_key(section.title):
            yield section


def _with_key(key: str, value: Any) -> Any:
    """An entry of an object of sections: its key is a number, or else the title."""
    if _ORDER.fullmatch(key):
        return value
    if isinstance(value, Mapping):
        if value.get("type") in _SCHEMA_TYPES:  # the schema itself, given back
            return None
        return value if _text_under(value, _TITLE_KEYS, suffix="title") else {"title": key, **value}
    return {"title": key, "brief": value}


def _section(entry: Any) -> PlannedSection | None:
    if isinstance(entry, str):
        return PlannedSection(title=entry)
    if not isinstance(entry, Mapping):
        return None
    title = _text_under(entry, _TITLE_KEYS, suffix="title") or _text_under(entry, _PART_KEYS)
    brief = _text_under(entry, _BRIEF_KEYS)
    if not title:
        title, key_brief = _title_without_key(entry)
        brief = brief or key_brief
    sources = next((inner for key, inner in entry.items() if _key(key) in _SOURCE_KEYS), None)
    return PlannedSection(title=title, brief=brief, sources=tuple(source_numbers(sources)))


def _title_without_key(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Title and brief of `{"section 1": "The moon"}` and of `{"The moon": "What pulls."}`; empty of anything else."""
    rest = {key: inner for key, inner in entry.items() if _key(key) not in _OTHER_KEYS}
    for key, inner in rest.items():
        if _ORDER.fullmatch(key) and isinstance(inner, str):
            return inner, ""
    return (next(iter(rest)), _words(next(iter(rest.values())))) if len(rest) == 1 else ("", "")


def _text_under(value: Mapping[str, Any], keys: frozenset[str], suffix: str = "\0") -> str:
    """The text under the first of the keys that has any; a key may end in `suffix` instead, as `section_title` does.

    Lists and objects are texts only as a brief.
    """
    kinds = (str, list, Mapping) if keys is _BRIEF_KEYS else (str,)
    texts = (_words(inner) for key, inner in value.items() if _matches(key, keys, suffix) and isinstance(inner, kinds))
    return next((text for text in texts if text and not text.isdigit()), "")


def _matches(key: str, keys: frozenset[str], suffix: str) -> bool:
    return (plain := _key(key)) in keys or plain.endswith(suffix)


def _key(key: str) -> str:
    return re.sub(r"[\W_]", "", key).casefold()


def _words(value: Any) -> str:
    """A text, a list of texts or of objects as one line."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return "; ".join(filter(None, map(_words, value)))
    if isinstance(value, Mapping):
        return ": ".join(filter(None, map(_words, value.values())))
    return ""


def source_numbers(value: Any) -> Iterator[int]:
    """The numbers of source parts, given as numbers, strings, or in lists and objects; nothing else counts."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6:
        yield int(value)
    elif isinstance(value, str):
        yield from map(int, re.findall(r"(?<![\w.-])[0-9]{1,5}(?![\w.])", value))
    elif isinstance(value, list):
        for inner in value:
            yield from source_numbers(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from source_numbers(inner)

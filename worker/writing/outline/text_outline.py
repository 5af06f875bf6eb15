"""An outline that a model wrote as Markdown, as a numbered list or in the manner of YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from worker.writing.outline.json_outline import source_numbers
from worker.writing.outline.outline import Outline, PlannedSection
from worker.writing.outline.titles import clean_title, title_key, without_number

_HEADING = re.compile(r" {0,3}(?P<mark>#{1,6})\s*(?P<text>.*)")
_NUMBERED = re.compile(
    r"\s*+(?:[-*+•]\s++)?(?:\*\*|__)?(?:"
    r"[0-9０-９]{1,2}(?:[.](?![0-9])|[)）、．:：]|\s*[–—-]\s)|[(（][0-9一二三四五六七八九十]{1,3}[)）]|[一二三四五六七八九十]{1,3}[、．.：:]"
    r"|[IVX]{1,5}[.)]\s|第\s*[0-9一二三四五六七八九十]+\s*[章节節部]|[①-⑳]"
    r"|(?:section|chapter|part)\s+(?:[0-9]{1,2}|[ivx]+)\b)",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"[0-9０-９]+|[①-⑳]")
_CHINESE = re.compile(r"[一二三四五六七八九十]+")
_LATIN = re.compile(r"(?<![a-z])[ivx]+", re.IGNORECASE)
_BOLD = re.compile(r"\s*(\*\*|__)[^*_].*")
_BULLET = re.compile(r"\s*+[-*+•–]\s++(?P<text>.*)")
_MARK = re.compile(r"\A\s*+(?:[-*+•–]|[0-9]{1,2}[.)])\s++")
# A row of a table whose first column counts; header and rule do not.
_ROW = re.compile(r"\s*+\|[^\w|]*+(?P<number>[0-9]{1,2})[^\w|]*+\|(?P<title>[^|]++)\|(?P<brief>[^|]*+)(?:\|.*)?")
_TITLE = re.compile(
    r"\W*+(?:(?:report|working)\s++)?(?:title|标题|题目|报告标题|topic)[^\w:：]*+[:：][\s*_]*+(?P<text>.+)",
    re.IGNORECASE,
)
# `- title: The moon`, as YAML has it; the other fields stand on lines of their own.
_FIELD = re.compile(
    r"\s*+(?:[-*+•]\s++)?[\"'*_]*+(?P<name>[A-Za-z]++(?:_++[A-Za-z]++)*+|标题|简介|概述|内容|要点|说明|资料)[\"'*_]*+\s*+"
    r"[:：]\s*+(?P<text>.*)"
)
_TITLE_FIELDS = frozenset(["title", "name", "section", "heading", "chapter", "标题"])
_BRIEF_FIELDS = frozenset(
    ["brief", "description", "summary", "content", "about", "简介", "概述", "内容", "要点", "说明"]
)
_SOURCE_FIELDS = frozenset(["sources", "source", "资料"])
_MARKED = re.compile(r"(?P<mark>\*\*|__)(?P<title>.+?)(?P=mark)\s*[:：–—-]*\s*(?P<brief>.*)")
_DASH = re.compile(r"(?P<title>.{2,200}?)(?:\s{1,9}+[–—-]\s++|——)(?P<brief>.+)")
_COLON = re.compile(r"(?P<title>.{2,80}?)[:：]\s*(?P<brief>.{50,}+|.{0,48}[.。!！?？;；])")


class _Rank(IntEnum):
    """How a line can begin a section; of those that begin two, the first counts."""

    HEADING = 1
    NUMBERED = 2
    BOLD = 3
    BULLET = 4
    TEXT = 5


@dataclass(frozen=True, slots=True)
class _Line:
    rank: _Rank
    depth: int
    text: str
    # What a number looks like, "1." or "（一）": its digits all alike. Empty without one.
    number: str


def outline_in_text(text: str) -> Outline | None:
    """The outline that the lines of a text describe, its title empty if none is given.

    None if no two lines are titles of sections.
    """
    lines = [_line(line) for line in text.splitlines() if line.strip() and not line.strip().startswith(("```", "~~~"))]
    title, lines = _without_title(lines)
    starts = _section_starts(lines)
    if not starts:
        return None
    title = title or _title_before(lines[: starts[0]])
    ends = [*starts[1:], len(lines)]
    sections = [_section(lines[start], lines[start + 1 : end]) for start, end in zip(starts, ends, strict=True)]
    titled = tuple(section for section in sections if title_key(section.title))
    return Outline(title=title, sections=titled) if len(titled) > 1 else None


def _line(line: str) -> _Line:
    if row := _ROW.fullmatch(line):
        title = row["title"].strip("* \t")
        return _Line(_Rank.NUMBERED, 0, f"{row['number']}. **{title}** {row['brief'].strip()}", "|")
    depth = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
    if heading := _HEADING.fullmatch(line):
        return _Line(_Rank.HEADING, len(heading["mark"]), heading["text"], _number_style(heading["text"]))
    if style := _number_style(line):
        return _Line(_Rank.NUMBERED, depth, _without_bullet(line), style)
    if _BOLD.fullmatch(line):
        return _Line(_Rank.BOLD, depth, line.strip(), "")
    if bullet := _BULLET.fullmatch(line):
        return _Line(_Rank.BULLET, depth, bullet["text"], "")
    return _Line(_Rank.TEXT, depth, line.strip(), "")


def _number_style(line: str) -> str:
    number = _NUMBERED.match(line)
    shape = re.sub(r"[\s*_+•-]", "", number[0]) if number else ""
    return _LATIN.sub("I", _CHINESE.sub("一", _DIGITS.sub("1", shape)))


def _without_bullet(line: str) -> str:
    bullet = _BULLET.fullmatch(line)
    return bullet["text"] if bullet else line.strip()


def _without_title(lines: Sequence[_Line]) -> tuple[str, list[_Line]]:
    """The title on a line that says so, and the lines behind; a field of a list is a section's."""
    for number, line in enumerate(lines[:8]):
        if line.rank is not _Rank.BULLET and (title := _TITLE.fullmatch(line.text)):
            return clean_title(title["text"].rstrip("*_ ")), [*lines[number + 1 :]]
        if line.rank is _Rank.BULLET:
            break
    return "", [*lines]


def _section_starts(lines: Sequence[_Line]) -> list[int]:
    """The numbers of the lines that begin a section; fewer than two are none."""
    for rank in (_Rank.HEADING, _Rank.NUMBERED, _Rank.BOLD, _Rank.BULLET):
        depths = sorted({line.depth for line in lines if line.rank is rank})
        for depth in depths:
            starts = [number for number, line in enumerate(lines) if (line.rank, line.depth) == (rank, depth)]
            # What stands before the first number is the title or an introduction; another style counts parts of them.
            style = next((lines[number].number for number in starts if lines[number].number), "")
            counted = [number for number in starts if lines[number].number == style]
            if style and len(counted) > 1:
                begun = [number for number in starts if number >= counted[0]]
                starts = counted if rank is _Rank.NUMBERED else begun
            if len(starts) > 1:
                return starts
    return []


def _title_before(lines: Sequence[_Line]) -> str:
    """The first heading or bold line before the first section, or the item that the sections stand below."""
    titles = [line for line in lines if line.rank in (_Rank.HEADING, _Rank.BOLD)]
    titles = titles or [line for line in lines if line.rank in (_Rank.NUMBERED, _Rank.BULLET)]
    return clean_title(titles[0].text) if titles else ""


def _section(first: _Line, others: Sequence[_Line]) -> PlannedSection:
    title, brief = _title_and_brief(first.text)
    fields = dict(_fields([first, *others]))
    title = fields.get("title") or title
    plain = [_MARK.sub("", line.text) for line in others if not _is_field(line)]
    brief = " ".join(filter(None, [fields.get("brief", brief), *plain]))
    return PlannedSection(title=title, brief=brief, sources=tuple(source_numbers(fields.get("sources"))))


def _title_and_brief(text: str) -> tuple[str, str]:
    bare = without_number(text)
    for parts in (_MARKED.fullmatch(bare), _DASH.fullmatch(bare), _COLON.fullmatch(bare)):
        if parts and title_key(parts["title"]):
            return parts["title"], parts["brief"]
    return text, ""


def _fields(lines: Sequence[_Line]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if kind := _is_field(line):
            field = _FIELD.fullmatch(line.text)
            yield kind, field["text"].strip().strip("\"'") if field else ""


def _is_field(line: _Line) -> str:
    """Of what a line is a field: `title`, `brief`, `sources`, or nothing."""
    field = _FIELD.fullmatch(line.text)
    name = field["name"].casefold() if field else ""
    kinds = {"title": _TITLE_FIELDS, "brief": _BRIEF_FIELDS, "sources": _SOURCE_FIELDS}
    return next((kind for kind, names in kinds.items() if name in names), "")

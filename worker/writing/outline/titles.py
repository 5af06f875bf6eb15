"""Titles as models write them: numbered, marked as bold, quoted; and as headings and lists need them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

MAX_TITLE = 200

_NUMERALS = "0-9０-９一二三四五六七八九十百零〇两"
# Numbers that no title begins with by chance. `3.5 million` and `1984` stay; see `without_positions` for `1 Causes`.
_NUMBER = re.compile(
    rf"""  (?:section|chapter|part|step|teil|kapitel|abschnitt|chapitre|cap[ií]tulo|parte|sección)\s+
           (?:[0-9]{{1,3}}(?:\.[0-9]+)*(?:\s*[.:)、：–—-]+\s*|\s+(?=\S))
             |(?:[ivxlc]+|[a-z]|one|two|three|four|five|six|seven|eight|nine|ten)\s*[.:)、：–—-]+\s*)
      |  第\s*[{_NUMERALS}]+\s*(?:章|节|節|部分|部|篇|讲|講|条|回|単元|장|절)\s*[.:：、，,．·–—-]*\s*
      |  (?:제\s*)?[0-9]+\s*(?:장|절)\s*[.:：、·–—-]*\s*
      |  [(（\[【]\s*[{_NUMERALS}]{{1,3}}\s*[)）\]】]\s*[.、]?\s*
      |  [一二三四五六七八九十百]{{1,3}}\s*[、．.：:]\s*
      |  [0-9０-９]{{1,3}}(?:\.[0-9]+)*\s*(?:[)）、．]|[.](?![0-9])|\s*[:：]|\s+[–—-](?=\s))\s*
      |  [①-⑳]\s*
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Numbers only where they count the sections: "1 Causes" or "C. elegans" alone may be a title.
_POSITION = re.compile(r"([0-9]{1,2}(?:\.[0-9]+)*|[IVX]{1,5}|[A-Z])(?:[.)、：:]\s*|\s+)(?=\S)")
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV")
# An item of a list or a quotation is part of a text, even if it reads like the title.
_ITEM = re.compile(r"\s*(?:[-*+•]\s|>)")
# The tags of a heading, its anchor, and the escape of the dot behind its number.
_AROUND_HEADING = re.compile(r"</?h[1-6][^<>]{0,80}>|\s{0,9}\{#[^{}]{0,80}\}\s*$|\\(?=[.)])", re.IGNORECASE)
_BOLD = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_LINK = re.compile(r"!?\[([^\[\]]+)\]\([^()\s]*\)")
_PAIRS = ("**", "__", "*", "_", "`", '"', "'", "“”", "‘’", "「」", "«»", "【】")


def one_line(title: str) -> str:
    """A title as a heading can hold it, whatever line ends and marks of a heading the model put into it."""
    return " ".join(title.split()).lstrip("# ")[:MAX_TITLE].rstrip()


def clean_title(title: str) -> str:
    """A title without marks of headings and bold, without quotes around it and without a number before it."""
    text = one_line(title)
    while (bare := without_number(without_marks(text))) != text:
        text = bare
    return text


def repeats_title(line: str, title: str) -> bool:
    """Whether a line is nothing but this title, however it is marked and numbered."""
    key = title_key(title)
    if not key or _ITEM.match(line):
        return False
    words = _AROUND_HEADING.sub("", line)
    return key in (title_key(words), title_key(_POSITION.sub("", without_marks(one_line(words)), count=1)))


def title_key(title: str) -> str:
    """What two ways of writing the same title have in common; empty when there is nothing but marks."""
    return re.sub(r"[\W_]+", "", clean_title(title)).casefold()


def without_positions(titles: Sequence[str]) -> list[str]:
    """The titles without numbers or letters that count them, if all have one: "1 Causes", "2 Effects"."""
    matches = [_POSITION.match(title) for title in titles]
    for names in ([str(number) for number in range(1, 100)], _ROMAN, [chr(65 + n) for n in range(26)]):
        if len(titles) > 1 and all(match and match[1] == name for match, name in zip(matches, names, strict=False)):
            return [title[match.end() :] for title, match in zip(titles, matches, strict=True) if match]
    return list(titles)


def distinct(titles: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """The titles, each that was there before with a number behind it."""
    used = {title_key(title) for title in taken}
    names = []
    for title in titles:
        name, number = title, 1
        while (key := title_key(name) or name) in used:
            number += 1
            name = f"{title[: MAX_TITLE - 6]} ({number})"
        used.add(key)
        names.append(name)
    return names


def without_marks(text: str) -> str:
    """A title without what makes it a heading, bold, a link or a quotation."""
    text = _LINK.sub(r"\1", text).strip().lstrip("# ")
    if (bare := text.rstrip("#")) != text and bare[-1:].isspace():
        text = bare.rstrip()
    for pair in _PAIRS:
        opening, closing = (pair[0], pair[-1]) if pair[0] != pair[-1] else (pair, pair)
        inner = text[len(opening) : len(text) - len(closing)]
        whole = len(text) > len(opening + closing) and text.startswith(opening) and text.endswith(closing)
        if whole and opening not in inner and closing not in inner:
            text = inner.strip()
    text = _BOLD.sub(r"\2", text)
    return text.rstrip(" :：") or text


def without_number(text: str) -> str:
    """A title without the number before it, unless it is nothing else."""
    number = _NUMBER.match(text)
    rest = text[number.end() :] if number else text
    return rest if re.search(r"\w", rest) else text

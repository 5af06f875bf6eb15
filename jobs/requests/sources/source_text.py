"""A long source text in parts that fit into a prompt, and those of them that a section is written from.

Parts are cut between paragraphs where there are any. A part says of which page or section of a file its text is.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

PART_CHARACTERS = 6000
_EXCERPT_CHARACTERS = 400
_TITLE_CHARACTERS = 80
# For one section: what a model's window has room for beside the rest of the prompt.
MOST_PARTS = 6
# For one whose brief the planner gave no parts.
_UNPLANNED_PARTS = 2
# What `web/documents/sources` puts before the text of a page, a section or some rows.
_MARK = re.compile(r"(?m)^\[[^\[\]\n]{1,300}\]$")
# Words of Latin letters and numbers; of Chinese, which has no spaces, pairs of characters.
_WORD = re.compile(r"[a-z0-9]{3,}|(?=([\u3400-\u9fff]{2}))")
_PIECE = re.compile(rf"(?s).{{1,{PART_CHARACTERS}}}")


def split(text: str) -> list[str]:
    """The parts of a text, each of at most PART_CHARACTERS and a mark; they leave out blank lines alone."""
    pieces = [piece for paragraph in re.split(r"\n\s*\n", text) for piece in _PIECE.findall(paragraph)]
    return list(_marked(_joined(pieces)))


def chosen(parts: Sequence[str], planned: Sequence[int], brief: str) -> list[int]:
    """The numbers of the parts that a section is written from, in their order; `brief` says what it covers.

    Those that were planned for it; without a plan the two that have most to do with the brief. Of more than MOST_PARTS
    those that have most to do with it.
    """
    named = sorted({number for number in planned if 0 < number <= len(parts)})
    if len(parts) < 2:
        return [*range(1, len(parts) + 1)]
    if 0 < len(named) <= MOST_PARTS:
        return named
    scores = {number: score for number, score in _scores(parts, brief).items() if number in named or not named}
    best = sorted((number for number in scores if named or scores[number] > 0), key=lambda number: -scores[number])
    return sorted(best[: MOST_PARTS if named else _UNPLANNED_PARTS])


def beginning(part: str) -> str:
    """Where a part is from, if it says so, else its first words."""
    return part.strip().partition("\n")[0][:_TITLE_CHARACTERS]


def _scores(parts: Sequence[str], brief: str) -> dict[int, float]:
    """How much each part has to do with a brief: more for each word of it, the oftener here and the rarer elsewhere."""
    counts = [Counter(_words(part)) for part in parts]
    spread = {word: sum(word in count for count in counts) for word in _words(brief)}
    rarity = {word: math.log(1 + len(parts) / found) for word, found in spread.items() if found}
    return {
        number: sum(math.log1p(count[word]) * rare for word, rare in rarity.items())
        for number, count in enumerate(counts, 1)
    }


def _words(text: str) -> Iterator[str]:
    return (found[0] or found[1] for found in _WORD.finditer(text.lower()))


def _marked(parts: Iterable[str]) -> Iterator[str]:
    """The parts, with the mark of the place where each begins."""
    mark = ""
    for part in parts:
        yield part if not mark or _MARK.match(part) else f"{mark}\n\n{part}"
        mark = next((found[0] for found in reversed([*_MARK.finditer(part)])), mark)


def _joined(pieces: Sequence[str]) -> Iterator[str]:
    part = ""
    for piece in pieces:
        if part and len(part) + len(piece) + 2 > PART_CHARACTERS:
            yield part
            part = ""
        part = f"{part}\n\n{piece}" if part else piece
    if part:
        yield part


def overview(parts: Sequence[str]) -> str:
    """What a planner is told of the parts: all of a single one, else how each of them begins."""
    length = PART_CHARACTERS if len(parts) == 1 else _EXCERPT_CHARACTERS
    return "\n".join(f"[{number}] {part[:length]}" for number, part in enumerate(parts, 1))

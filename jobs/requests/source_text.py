"""A long source text in parts that fit into a prompt, cut between paragraphs where there are any."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

PART_CHARACTERS = 6000
_EXCERPT_CHARACTERS = 400
_PIECE = re.compile(rf"(?s).{{1,{PART_CHARACTERS}}}")


def split(text: str) -> list[str]:
    """The parts of a text, each of at most PART_CHARACTERS; joined they are the text, but for blank lines."""
    return list(_joined([piece for paragraph in re.split(r"\n\s*\n", text) for piece in _PIECE.findall(paragraph)]))


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

"""Chinese, Japanese and Korean in lines: their characters are twice as wide, and a line may end behind each."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import groupby


def is_wide(character: str) -> bool:
    """Whether it takes the place of two letters."""
    return unicodedata.east_asian_width(character) in ("W", "F")


def width(text: str) -> int:
    """How many letters wide it is."""
    return len(text) + sum(map(is_wide, text))


def pieces(text: str) -> Iterator[tuple[bool, str]]:
    """A text in pieces that are wide or not."""
    return ((wide, "".join(characters)) for wide, characters in groupby(text, is_wide))

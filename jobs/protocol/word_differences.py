"""What differs between two versions of a text, word by word; of Chinese and Japanese, character by character."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from enum import StrEnum

_CJK = "\u2e80-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+|\s+|[^\w\s]")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
# Of more words than that lines are compared: the time grows faster than the text.
MOST_WORDS = 10_000


class Change(StrEnum):
    """What became of a piece of text."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


def words_of(text: str) -> list[str]:
    """The words of a text and what is between them."""
    return _WORD.findall(text)


def word_differences(old: str, new: str) -> list[tuple[Change, str]]:
    """The pieces of both texts in order. All but the added ones are the old text, all but the removed the new one."""
    words = [words_of(text) for text in (old, new)]
    if max(map(len, words)) > MOST_WORDS:
        words = [_LINE.findall(text) for text in (old, new)]
    before, after = words
    pieces: list[tuple[Change, str]] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after).get_opcodes():
        if tag == "equal":
            pieces.append((Change.SAME, "".join(before[i1:i2])))
            continue
        changes = ((Change.REMOVED, before[i1:i2]), (Change.ADDED, after[j1:j2]))
        pieces += [(change, "".join(piece)) for change, piece in changes if piece]
    return pieces

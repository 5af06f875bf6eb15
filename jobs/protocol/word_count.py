"""The length of a text as people count it: in words, of which each Chinese character is one."""

from __future__ import annotations

import re

_CHINESE = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_OTHER = re.compile(rf"[^\W{_CHINESE}]+")
_WORD = re.compile(rf"[{_CHINESE}]|{_OTHER.pattern}")


def words_in(text: str) -> int:
    """How many words a text has."""
    return len(_WORD.findall(text))


def words_added(text: str, *, inside: bool) -> tuple[int, bool]:
    """How many words more a text has with `text` at its end, and whether it then ends inside a word.

    `inside` says whether it did so before: the word goes on in this piece, and counts once.
    """
    if not text:
        return 0, inside
    goes_on = inside and _OTHER.match(text) is not None
    return words_in(text) - goes_on, _OTHER.match(text[-1]) is not None

"""Two versions of a text as HTML, with marks around the words that only one of them has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from html import escape, unescape
from typing import NamedTuple

from jobs.protocol.word_differences import MOST_WORDS, words_of

# A tag; text.
_PIECE = re.compile(r'<[^"<>]*+(?:"[^"]*+"[^"<>]*+)*+>|[^<]++')


class _Piece(NamedTuple):
    """A piece of HTML; what is no word, as a tag, is never marked."""

    html: str
    is_word: bool


def marked_differences(old: str, new: str) -> tuple[str, str]:
    """Both versions, which are sanitised HTML: with `<del>` in the old one, and `<ins>` in the new one."""
    versions = [list(_pieces(html)) for html in (old, new)]
    if max(map(len, versions)) > MOST_WORDS:
        versions = [list(_pieces(html, by_words=False)) for html in (old, new)]
    before, after = versions
    removed, added = set[int](), set[int]()
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, _words(before), _words(after)).get_opcodes():
        if tag != "equal":
            removed.update(range(i1, i2))
            added.update(range(j1, j2))
    return "".join(_marked(before, removed, "del")), "".join(_marked(after, added, "ins"))


def _pieces(html: str, *, by_words: bool = True) -> Iterator[_Piece]:
    formula = list[str]()  # its parts may hold no mark
    for piece in _PIECE.findall(html):
        if formula or piece.startswith(("<math>", "<math ")):
            formula.append(piece)
            if piece == "</math>":
                yield _Piece("".join(formula), is_word=True)
                formula.clear()
        elif piece.startswith("<") or piece.isspace():  # between the cells of a table no mark may stand
            yield _Piece(piece, is_word=False)
        else:
            text = unescape(piece)
            for word in words_of(text) if by_words else [text]:
                yield _Piece(escape(word, quote=False), is_word=True)


def _words(pieces: Sequence[_Piece]) -> list[str]:
    return [piece.html for piece in pieces if piece.is_word]


def _marked(pieces: Sequence[_Piece], differing: set[int], mark: str) -> Iterator[str]:
    number, is_open = 0, False
    for piece in pieces:
        differs = piece.is_word and number in differing
        if differs != is_open:
            yield f"<{mark}>" if differs else f"</{mark}>"
            is_open = differs
        yield piece.html
        number += piece.is_word
    if is_open:
        yield f"</{mark}>"

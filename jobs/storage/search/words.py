"""The words of texts and of questions: one way to split both, whatever the database."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# Lao and Thai, Myanmar, Khmer, Kana and Han: scripts that put no spaces between words.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]+")
_WORD = re.compile(rf"[^\W_{_UNSPACED}]+")
# Of what is longer, such as encoded data, the beginning is searched.
_LONGEST_WORD = 40
# PostgreSQL's tsvector holds a megabyte. No text of a person or a model has so many different words.
_MOST_BYTES = 500_000
# Fewer letters begin too many words; they are found only as whole words. A syllable of Hangul is two or three letters.
_SHORTEST_BEGINNING = 3
_MOST_ASKED = 32


class AskedWord(NamedTuple):
    """A word that a job must have; with `is_beginning` any word that begins so will do."""

    text: str
    is_beginning: bool = False


def words_of(text: str) -> Iterator[str]:
    """The words of a text, lower-case, some of them more than once.

    Of a script without spaces these are its single characters and each two side by side. A word has letters and digits
    only, so that it means the same in every database's syntax.
    """
    plain = _plain(text)
    yield from (word[:_LONGEST_WORD] for word in _WORD.findall(plain))
    for run in _UNSPACED_RUN.findall(plain):
        yield from run
        yield from map(str.__add__, run, run[1:])


def distinct(words: Iterable[str]) -> list[str]:
    """Each word once, in order of first appearance, and no more than an index can hold."""
    kept = []
    room = _MOST_BYTES
    for word in dict.fromkeys(words):
        room -= len(word.encode())
        if room < 0:
            break
        kept.append(word)
    return kept


def asked_words(question: str) -> list[AskedWord]:
    """What somebody looks for: all of these words, in any order. None when the question has no letter or digit."""
    plain = _plain(question)
    asked = [AskedWord(word[:_LONGEST_WORD], _letters(word) >= _SHORTEST_BEGINNING) for word in _WORD.findall(plain)]
    for run in _UNSPACED_RUN.findall(plain):
        asked += map(AskedWord, map(str.__add__, run, run[1:]) if len(run) > 1 else run)
    return list(dict.fromkeys(asked))[:_MOST_ASKED]


def owner_word(owner: str) -> str:
    """A word for an owner that no text has: one look at the index finds only what is the owner's."""
    return f"_{hashlib.sha256(owner.encode()).hexdigest()[:16]}"


def _letters(word: str) -> int:
    return len(unicodedata.normalize("NFD", word))


def _plain(text: str) -> str:
    # NFKC makes one character of letter and accent, and ordinary ones of full-width letters.
    return unicodedata.normalize("NFKC", text).casefold()

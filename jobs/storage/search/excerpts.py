"""The passage of a text in which the words stand that somebody looks for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from jobs.storage.search.words import asked_words

# Characters before the first hit, and from there on.
_BEFORE = 30
_AFTER = 100
_LETTER = r"[^\W_]"
_SPACED = re.compile(r"[\x00-\u0dff]")

# Text, hit, text, hit, ..., text.
Excerpt = tuple[str, ...]


def excerpt(texts: Iterable[str], question: str) -> Excerpt:
    """The passage around the first hit in the first text that has one.

    Its pieces are by turns what stands between hits and a hit itself. Empty when no text has any of the words.
    """
    pattern = _pattern(question)
    if pattern is None:
        return ()
    for text in texts:
        if hit := pattern.search(text):
            begin = _word_border(text, max(hit.start() - _BEFORE, 0))
            end = hit.start() + _AFTER
            passage = " ".join(text[begin:end].split())
            whole = f"{'… ' * (begin > 0)}{passage}{' …' * (end < len(text))}"
            return tuple(pattern.split(whole))
    return ()


def _word_border(text: str, place: int) -> int:
    """Where the next word begins, not far behind this place: a word is not cut."""
    space = text.find(" ", place, place + _BEFORE // 2)
    return place if place == 0 or space < 0 else space + 1


@lru_cache(maxsize=100)
def _pattern(question: str) -> re.Pattern[str] | None:
    """Any of the words, as a group of its own."""
    words = []
    for word in asked_words(question):
        has_spaces = _SPACED.match(word.text) is not None
        before = rf"(?<!{_LETTER})" * has_spaces
        after = rf"(?!{_LETTER})" * (has_spaces and not word.is_beginning)
        words.append(f"{before}{re.escape(word.text)}{after}")
    return re.compile(f"({'|'.join(words)})", re.IGNORECASE) if words else None

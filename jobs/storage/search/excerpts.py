"""The passage of a text in which the words stand that somebody looks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from jobs.storage.search.words import asked_words

# Characters before the first hit, and from there on.
_BEFORE = 30
_AFTER = 100
# Of a text, what is looked at around a hit.
_AROUND = 400
_LETTER = r"[^\W_]"
_SPACED = re.compile(r"[\x00-\u0dff]")

# Text, hit, text, hit, ..., text.
Excerpt = tuple[str, ...]


def excerpt(texts: Iterable[str], question: str, clean: Callable[[str], str] = str) -> Excerpt:
    """The passage around the first hit in the first text that has one.

    Its pieces are by turns what stands between hits and a hit itself. Empty when no text has any of the words. `clean`
    takes from a passage what would stand in a reader's way.
    """
    pattern = _pattern(question)
    if pattern is None:
        return ()
    for text in texts:
        place = _first_hit(text, [word.text for word in asked_words(question)], pattern)
        if place is None:
            continue
        start = max(place - _AROUND, 0)
        near = clean(text[start : place + _AROUND])
        if hit := pattern.search(near):
            begin = _word_border(near, max(hit.start() - _BEFORE, 0))
            end = hit.start() + _AFTER
            is_cut = place + _AROUND < len(text) or end < len(near)
            passage = " ".join(near[begin:end].split())
            return tuple(pattern.split(f"{'… ' * (begin > 0 or start > 0)}{passage}{' …' * is_cut}"))
    return ()


def _first_hit(text: str, words: Sequence[str], pattern: re.Pattern[str]) -> int | None:
    """Where the first hit is: where one of the words is as letters, the pattern says whether it is one.

    The pattern alone takes a hundred times as long over a long text.
    """
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters become two: the places would not be the same
        hit = pattern.search(text)
        return hit.start() if hit else None
    places = {word: lowered.find(word) for word in words}
    while found := [(place, word) for word, place in places.items() if place >= 0]:
        place, word = min(found)
        if pattern.match(text, place):
            return place
        places[word] = lowered.find(word, place + 1)
    return None


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

"""The passages that the demo model puts together, from `texts/<language>.md`, and how text is counted."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3041-\u30ff\U00020000-\U0003ffff"
_MARKS = "\u0300-\u036f\u3099\u309a\ufe00-\ufe0f\U000e0100-\U000e01ef"
_ONE = f"[{_CJK}][{_MARKS}]*"
_RUN = f"[^\\s{_CJK}]+"
_WORD = re.compile(f"{_ONE}|{_RUN}")
_TOKEN = re.compile(rf"\s*(?:(?:{_ONE}){{1,2}}|{_RUN})|\s+$")
_CHINESE = re.compile(f"[{_CJK}]")


def is_chinese(text: str) -> bool:
    """Whether the text has any Chinese character."""
    return _CHINESE.search(text) is not None


def measure(text: str) -> int:
    """The length of a text as people count it: a word is one, and so is a Chinese character."""
    return len(_WORD.findall(text))


def split_tokens(text: str) -> list[str]:
    """The text in pieces like a model's: a word with the space before it, or one or two Chinese characters.

    Joined they are the text; no piece ends inside a combining sequence.
    """
    return _TOKEN.findall(text)


@cache
def pools(language: str) -> dict[str, list[str]]:
    """All passages of a language ("zh" or "en") by the name of their pool, in the order of the file."""
    found: dict[str, list[str]] = {}
    text = (Path(__file__).parent / "texts" / f"{language}.md").read_text("utf-8")
    for block in text.strip().split("\n\n"):
        if block.startswith("#"):
            passages = found.setdefault(block.lstrip("# "), [])
        elif block.startswith("- "):
            passages += block.removeprefix("- ").split("\n- ")
        else:
            passages.append(block.replace("\n", "" if language == "zh" else " "))
    return found


class Phrasebook:
    """One language's passages about one topic, each drawn once before any is drawn again."""

    def __init__(self, language: str, topic: str, seed: str) -> None:
        self.pools = pools(language)
        self._rng = random.Random(seed)
        self._left: dict[str, list[str]] = {}
        self._fixed = {"topic": topic} | {slot: self._rng.choice(self.pools[slot]) for slot in ("who", "friend")}

    def draw(self, pool: str) -> str:
        """A passage from the pool, filled in."""
        left = self._left.setdefault(pool, [])
        if not left:
            left += self._rng.sample(self.pools[pool], len(self.pools[pool]))
        return self.fill_in(left.pop())

    def fill_in(self, passage: str) -> str:
        """The passage with the topic, the characters and a place put in."""
        varying = {slot: self._rng.choice(self.pools[slot]) for slot in ("place", "season")}
        return passage.format(**self._fixed, **varying) if "{" in passage else passage

    def passages(self, pool: str, size: int) -> list[str]:
        """Passages from the pool that measure about `size` together; none if that is not positive."""
        found: list[str] = []
        while size > 0:
            passage = self.draw(pool)
            length = measure(passage)
            if found and length > 2 * size:
                break
            found.append(passage)
            size -= length
        return found

    def choose(self, names: list[str], count: int) -> list[str]:
        """That many of the names, in their order; all of them, again and again, if there are not so many."""
        if count <= len(names):
            return [names[at] for at in sorted(self._rng.sample(range(len(names)), count))]
        return [names[at % len(names)] for at in range(count)]

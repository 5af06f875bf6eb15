"""The passages that the demo model puts together, from `texts/<language>.md`, and how text is counted."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

# A text takes one passage more for as long as this is missing, so that it is too long as often as too short.
HALF_A_PASSAGE = 20

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3041-\u30ff\U00020000-\U0003ffff"
_MARKS = "\u0300-\u036f\u3099\u309a\ufe00-\ufe0f\U000e0100-\U000e01ef"
_ONE = f"[{_CJK}][{_MARKS}]*"
_RUN = f"[^\\s{_CJK}]+"
_WORD = re.compile(f"{_ONE}|{_RUN}")
_TOKEN = re.compile(rf"\s*(?:(?:{_ONE}){{1,2}}|{_RUN})|\s+$")


def is_chinese(text: str) -> bool:
    """Whether the text has any Chinese character."""
    return re.search(f"[{_CJK}]", text) is not None


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
    text = (Path(__file__).parent / "texts" / f"{language}.md").read_text("utf-8")
    sections = (section.split("\n\n") for section in text.strip().split("\n\n## ")[1:])
    return {name: [passage for block in blocks for passage in _passages(block)] for name, *blocks in sections}


def _passages(block: str) -> list[str]:
    """The items of a list; or a paragraph, on one line but for a list that belongs to it."""
    return block[2:].split("\n- ") if block.startswith("- ") else [re.sub(r"\n(?!- )", " ", block)]


class PassagePicker:
    """One language's passages about one topic, each drawn once before any is drawn again.

    A mapping for `str.format_map`, so that a passage may name the pools of what it lacks.
    """

    def __init__(self, language: str, topic: str, seed: str) -> None:
        self.pools = pools(language)
        self._rng = random.Random(seed)
        self._left: dict[str, list[str]] = {}
        self._fixed = {"topic": topic} | {slot: self._rng.choice(self.pools[slot]) for slot in ("who", "friend")}

    def __getitem__(self, slot: str) -> str:
        """What stays the same throughout a text, or a passage drawn from the pool of that name, filled in."""
        if slot in self._fixed:
            return self._fixed[slot]
        if not self._left.get(slot):
            self._left[slot] = self._rng.sample(self.pools[slot], len(self.pools[slot]))
        return self._left[slot].pop().format_map(self)

    def passages(self, pool: str, size: int) -> str:
        """Passages from the pool, at least one, that measure about `size` together."""
        passages: list[str] = []
        while not passages or size > HALF_A_PASSAGE:
            passages.append(self[pool])
            size -= measure(passages[-1])
        return "\n\n".join(passages)

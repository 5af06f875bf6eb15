"""How far a job is: its sections, what is written of each, and when the rest may be there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from jobs.fold import Item

# A Chinese character counts as a word does elsewhere.
_WORD = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|[^\W\u3400-\u9fff\uf900-\ufaff]+")


def words_in(text: str) -> int:
    """The length of a text as people count it."""
    return len(_WORD.findall(text))


def progress(items: Iterable[Item]) -> dict[str, Any]:
    """Of a job's items: how many sections are done, of how many; and each with its title, status and words."""
    answers = {item.section: item for item in sorted(items, key=lambda item: item.index) if item.type == "message"}
    sections: list[dict[str, Any]] = [
        {
            "section": number,
            "title": item.title,
            "status": item.status if item.has_text or item.status != "in_progress" else "queued",
            "words": words_in("".join(part.text for part in item.parts)),
        }
        for number, item in sorted(answers.items())
    ]
    done = sum(section["status"] == "completed" for section in sections)
    words = sum(section["words"] for section in sections)
    return {"done": done, "total": max(1, len(sections)), "words": words, "sections": sections}

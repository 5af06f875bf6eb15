"""How far a job is: its sections, what is written of each, and when the rest may be there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.protocol.fold import CALL, Item
from jobs.protocol.wire import SectionProgress, SectionsDone

_TELLING_WORDS = 30
# A worker tells every few seconds what a job waits for; one that died tells nothing more.
_STALE_WAIT_SECONDS = 5.0


def progress(items: Iterable[Item]) -> SectionsDone:
    """Of a job's items: how many sections are done, of how many; and each with its title, status, words and times."""
    ordered = sorted(items, key=lambda item: item.index)
    calls = {item.section: item for item in ordered if item.type == CALL}
    answers = calls | {item.section: item for item in ordered if item.type == "message"}
    sections: list[SectionProgress] = [
        {
            "section": number,
            "title": item.title,
            "status": item.status if item.has_text or item.status != "in_progress" else "queued",
            "words": item.words,
            "started": item.started,
            "ended": item.ended,
        }
        for number, item in sorted(answers.items())
    ]
    done = sum(section["status"] == "completed" for section in sections)
    words = sum(section["words"] for section in sections)
    return {"done": done, "total": max(1, len(sections)), "words": words, "sections": sections}


def pace(written: int, target: int | None, seconds: float) -> dict[str, Any]:
    """The pace of a job that has written so many words in so many seconds, and when the rest may be there.

    Tokens are estimated: four for three words. `eta_seconds` is None when the text has no `target` length in words,
    or when too little is written to tell.
    """
    speed = written / seconds if seconds > 0 else 0.0
    eta = None
    if target is not None and written >= _TELLING_WORDS and speed > 0:
        eta = round(max(0, target - written) / speed)
    return {"tokens_per_second": round(speed * 4 / 3, 1), "eta_seconds": eta}


def waiting(noted: Mapping[str, Any] | None, now: float) -> dict[str, Any]:
    """What a job waits for before its model is asked again, as its row told at last: `{waiting: {reason, try, until}}`.

    Empty when it does not, or no longer at `now` (Unix seconds).
    """
    wait = (noted or {}).get("waiting")
    return {"waiting": wait} if wait and wait["until"] > now - _STALE_WAIT_SECONDS else {}

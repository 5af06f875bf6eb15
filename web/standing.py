"""Where a job stands: what its page tells beside the text, as one JSON object."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from jobs.fold import Item
from jobs.progress import pace, words_in
from jobs.record import Job, Status
from jobs.request import wanted_words
from jobs.store import Store


@dataclass(frozen=True, slots=True)
class Standing:
    """A job's row, and while it is queued how many are `before` it and since when (Unix seconds) the `oldest` waits."""

    job: Job
    before: int = 0
    oldest: float = 0.0

    @classmethod
    def of(cls, store: Store, owner: str, job_id: str) -> Standing:
        """As it is now. Raises JobNotFound."""
        job = store.get(owner, job_id)
        return cls(job, *store.queue_position(job)) if job.status is Status.QUEUED else cls(job)

    def elapsed(self) -> float:
        """Seconds since the job was accepted, up to its end."""
        return round((self.job.ended_at or time.time()) - self.job.created_at, 1)

    def state(self, items: Iterable[Item]) -> dict[str, Any]:
        """All but what moves by itself. Times are seconds since the job was accepted."""
        job = self.job
        lines = [line(item.index, item.to_wire(), item.has_text) for item in sorted(items, key=_order)]
        answers = {one["section"]: one for one in lines if one["type"] == "message"}
        words = sum(one["words"] for one in answers.values())
        found = {
            "status": job.status,
            "stopping": job.cancel_requested_at is not None or job.stop_requested_at is not None,
            "attempt": job.attempt,
            "items": lines,
            "done": sum(one["status"] == "completed" for one in answers.values()),
            "total": max(1, len(answers)),
            "words": words,
            "began": self._since(job.started_at),
            "first_text": self._since(job.first_token_at),
        }
        if job.response is not None:
            found |= _ending(orjson.loads(job.response))
        elif job.status is Status.QUEUED:
            found |= {"queue_position": self.before, "oldest_wait_seconds": round(time.time() - self.oldest)}
        elif job.first_token_at is not None:
            found |= pace(words, wanted_words(job.request), time.time() - job.first_token_at)
        return found

    def _since(self, moment: float | None) -> float | None:
        return None if moment is None else round(moment - self.job.created_at, 1)


def _order(item: Item) -> tuple[int, int]:
    return item.section, item.index


def line(index: int, wire: Mapping[str, Any], has_text: bool = True) -> dict[str, Any]:
    """What an outline tells of one output item."""
    place, waits = wire["penstock"], wire["status"] == "in_progress" and not has_text
    return {
        "index": index,
        "id": wire["id"],
        "type": wire["type"],
        "status": "queued" if waits else wire["status"],
        "section": place["section"],
        "words": words_in("".join(part["text"] for part in [*wire["content"], *wire.get("summary", [])])),
        **{name: place.get(name) for name in ("title", "replaces", "reason", "started", "ended")},
    }


def _ending(response: Mapping[str, Any]) -> dict[str, Any]:
    """How a job has ended."""
    return {name: response[name] for name in ("error", "incomplete_details", "usage")}

"""Where a job stands: what its page tells beside the text, as one JSON object."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from jobs.job import Job, Status
from jobs.protocol.progress import pace
from jobs.storage.store import Store

ItemSummary = dict[str, Any]

# The height of the drawing of a job's pace; it is as wide as the pace has slots.
SPARK_HEIGHT = 24
# A line of fewer points says nothing.
_TELLING_SLOTS = 5


@dataclass(frozen=True, slots=True)
class JobState:
    """A job's row, and while it is queued how many are `before` it and since when (Unix seconds) the `oldest` waits."""

    job: Job
    before: int = 0
    oldest: float = 0.0

    @classmethod
    def of(cls, store: Store, owner: str, job_id: str) -> JobState:
        """As it is now. Raises JobNotFound."""
        job = store.get(owner, job_id)
        return cls(job, *store.queue_position(job)) if job.status is Status.QUEUED else cls(job)

    def elapsed(self) -> float:
        """Seconds since the job was accepted, up to its end."""
        return round((self.job.ended_at or time.time()) - self.job.created_at, 1)

    def state(self, lines: Sequence[ItemSummary], attempts: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """All but what moves by itself, with a line for each output item; times are seconds since accept."""
        job = self.job
        answers = {item_summary["section"]: item_summary for item_summary in lines if item_summary["type"] == "message"}
        words = sum(item_summary["words"] for item_summary in answers.values())
        found = {
            "status": job.status,
            "stopping": job.cancel_requested_at is not None or job.stop_requested_at is not None,
            "attempt": job.attempt,
            "attempts": attempts,
            "items": lines,
            "done": sum(item_summary["status"] == "completed" for item_summary in answers.values()),
            "total": max(1, len(answers)),
            "words": words,
            "began": self._since(job.started_at),
            "first_text": self._since(job.first_token_at),
        }
        curve = (job.progress or {}).get("curve")
        if job.response is not None:
            response = orjson.loads(job.response)
            found |= {name: response[name] for name in ("error", "incomplete_details", "usage")}
            found["attempts"], curve = response["penstock"].get("attempts", []), response["penstock"].get("curve")
        elif job.status is Status.QUEUED:
            found |= {"queue_position": self.before, "oldest_wait_seconds": round(time.time() - self.oldest)}
        elif job.first_token_at is not None:
            found |= pace(words, job.request.target_words, time.time() - job.first_token_at)
        return found | {"spark": spark(curve["characters"]) if curve else ""}

    def _since(self, moment: float | None) -> float | None:
        return None if moment is None else round(moment - self.job.created_at, 1)


def item_summary(index: int, wire: Mapping[str, Any], words: int) -> ItemSummary:
    """What an outline tells of one output item, which has so many words."""
    place, status = wire["penstock"], wire["status"]
    return {
        "index": index,
        "id": wire["id"],
        "type": wire["type"],
        "status": "queued" if status == "in_progress" and not words else status,
        "section": place["section"],
        "words": words,
        **{name: place.get(name) for name in ("title", "replaces", "reason", "started", "ended")},
    }


def spark(counts: Sequence[int]) -> str:
    """What was written in each slot of time, as the path of a line in an SVG; empty when there is nothing to draw."""
    if len(counts) < _TELLING_SLOTS:
        return ""
    highest = max(1, *counts)
    points = (f"{at} {SPARK_HEIGHT - 1 - (SPARK_HEIGHT - 2) * count / highest:.1f}" for at, count in enumerate(counts))
    return f"M{'L'.join(points)}"

"""The state of a job beside its text: the one computation behind API, job page, list and command line."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from jobs.job import Job, ListedJob, Status
from jobs.protocol.fold import ANSWERS, CALL
from jobs.protocol.progress import pace, waiting
from jobs.status.details import StatusDetails
from jobs.status.ended import details_of
from web.live.outlook import Outlook

ItemSummary = dict[str, Any]
Progress = Mapping[str, Any]

# The height of the drawing of a job's pace; it is as wide as the pace has slots.
SPARK_HEIGHT = 24
# A line of fewer points says nothing.
_MIN_SLOTS = 5


@dataclass(frozen=True, slots=True)
class JobState:
    """A job's row and what is to be said of its status; while it is queued also its `place`, as Outlook tells it."""

    job: Job
    details: StatusDetails
    place: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, outlook: Outlook, job: Job) -> JobState:
        """The state of a row that was just read."""
        return cls(job, status_details(outlook, job), queue_place(outlook, job))

    def elapsed(self) -> float:
        """Seconds since the job was accepted, up to its end."""
        return round((self.job.ended_at or time.time()) - self.job.created_at, 1)

    def to_wire(self, progress: Progress) -> dict[str, Any]:
        """What the `penstock` object of a job that has not ended says; `progress` is that of its log."""
        job = self.job
        wire: dict[str, Any] = {"progress": progress, "status_details": self.details.to_wire()}
        if job.progress is not None:
            wire["curve"] = job.progress["curve"]
        if job.first_token_at is not None:
            wire["time_to_first_token"] = round(job.first_token_at - job.created_at, 3)
        return wire | self._forecast(progress["words"]) | self._waiting()

    def _forecast(self, words: int) -> dict[str, Any]:
        """The place in the queue, or the pace: what moves without an event."""
        job = self.job
        if job.status is Status.QUEUED:
            return dict(self.place)
        if job.first_token_at is None:
            return {}
        return pace(words, job.request.target_words, time.time() - job.first_token_at)

    def _waiting(self) -> dict[str, Any]:
        """What the job waits for, a person or a model; empty when it does not."""
        if self.job.held_at is not None:
            return {"waiting": {"reason": "plan", "since": round(self.job.held_at, 1)}}
        return waiting(self.job.progress, time.time())

    def page_state(
        self, summaries: Sequence[ItemSummary], attempts: Sequence[Mapping[str, Any]] = ()
    ) -> dict[str, Any]:
        """What the job's page shows, with a summary of each output item; times are seconds since accept."""
        job = self.job
        ordered = sorted(summaries, key=lambda summary: summary["type"] == "message")  # a text comes before calls
        answers = {summary["section"]: summary for summary in ordered if summary["type"] in ANSWERS}
        words = sum(answer["words"] for answer in answers.values())
        state = {
            "status": job.status,
            "details": self.details,
            "stopping": job.is_stopping,
            "attempt": job.attempt,
            "attempts": attempts,
            "items": summaries,
            "done": sum(answer["status"] == "completed" for answer in answers.values()),
            "total": max(1, len(answers)),
            "words": words,
            "began": self._since_accept(job.started_at),
            "first_text": self._since_accept(job.first_token_at),
        }
        curve = job.noted_progress.get("curve")
        if job.response is None:
            state |= self._forecast(words) | self._waiting()
        else:
            response = orjson.loads(job.response)
            state |= {name: response[name] for name in ("error", "incomplete_details", "usage")}
            penstock = response["penstock"]
            state |= {"attempts": penstock.get("attempts", [])}
            # Sections without a text count, too, and are no items of the response.
            state |= {name: penstock["progress"][name] for name in ("done", "total") if "progress" in penstock}
            curve = penstock.get("curve")
        return state | {"spark": spark(curve["characters"]) if curve else ""}

    def _since_accept(self, moment: float | None) -> float | None:
        return None if moment is None else round(moment - self.job.created_at, 1)


def status_details(outlook: Outlook, job: ListedJob) -> StatusDetails:
    """What is to be said of the status of a row that was just read."""
    if job.outcome is not None:
        return details_of({"status": job.status, **orjson.loads(job.outcome)})
    if job.status.is_terminal:  # of a version before; what it lacks is put there soon
        return StatusDetails(job.status)
    return outlook.of(job)


def queue_place(outlook: Outlook, job: ListedJob) -> dict[str, Any]:
    """The place of a row that was just read; empty when it is not queued."""
    return outlook.place(job) if job.status is Status.QUEUED else {}


def item_summary(index: int, item: Mapping[str, Any], words: int) -> ItemSummary:
    """What an outline tells of one output item on the wire, which has so many words."""
    place = item["penstock"]
    status = item["status"]
    return {
        "index": index,
        "id": item["id"],
        "type": item["type"],
        "name": item.get("name"),
        "status": "queued" if status == "in_progress" and not words and item["type"] != CALL else status,
        "section": place["section"],
        "words": words,
        **{name: place.get(name) for name in ("title", "replaces", "reason", "started", "ended")},
    }


def spark(counts: Sequence[int]) -> str:
    """What was written in each slot of time, as the path of a line in an SVG; empty when there is nothing to draw."""
    if len(counts) < _MIN_SLOTS:
        return ""
    highest = max(1, *counts)
    points = (f"{at} {SPARK_HEIGHT - 1 - (SPARK_HEIGHT - 2) * count / highest:.1f}" for at, count in enumerate(counts))
    return f"M{'L'.join(points)}"

"""The end of a job: one transaction for workers and the web.

Everything that has to happen at an end is added here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, update

from jobs.job import Job, Status
from jobs.protocol import events, response
from jobs.protocol.fold import text_of
from jobs.protocol.outcome import outcome_of
from jobs.protocol.transcript import TranscriptWriter
from jobs.protocol.word_count import words_in
from jobs.requests.title import title_of
from jobs.status.ended import details_of
from jobs.storage.access.budget import spend
from jobs.storage.batches.usage import add_usage
from jobs.storage.rows import storable
from jobs.storage.schema import checkpoints, jobs, transcripts
from jobs.storage.search.entries import entry_words, set_entry
from jobs.storage.webhooks.deliveries import enqueue

# The columns are four bytes wide on PostgreSQL, and some servers report nonsense.
_HIGHEST_COUNT = 2**31 - 1
_LONGEST_CODE = 64


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ends: the terminal `response`, stored verbatim, and the `transcript` with its terminal frame.

    `progress` is the last progress as JSON, `first_text_at` when the first text came (Unix seconds); both None for a
    job that never ran.
    """

    response: Mapping[str, Any]
    transcript: bytes
    progress: str | None = None
    first_text_at: float | None = None


def end_job(connection: Connection, job: Job, guard: ColumnElement[bool], ending: Ending) -> bool:
    """End the job inside the caller's transaction, of which this has to be the first statement.

    False, and nothing written, when the row does not meet `guard`.
    """
    values = _columns(job, ending)
    ended = update(jobs).where(jobs.c.id == job.id, guard).values(values)  # invariant 3
    ended = ended.returning(jobs.c.name, jobs.c.batch_id)
    if (row := connection.execute(ended).one_or_none()) is None:
        return False
    text = text_of(ending.response)
    connection.execute(insert(transcripts).values(job_id=job.id, frames=ending.transcript))
    connection.execute(delete(checkpoints).where(checkpoints.c.job_id == job.id))
    set_entry(connection, job.id, entry_words(job.owner, row.name, job.request, text))
    if job.request.background:  # whoever waits is told by the answer itself
        enqueue(connection, job.owner, f"response.{values['status']}", job.id, job.request.webhook)
    if row.batch_id and (usage := ending.response["usage"]):
        add_usage(connection, row.batch_id, usage)
    spend(connection, job.owner, ending.response["usage"], text)  # last: it locks a row for all jobs of the owner
    return True


def _columns(job: Job, ending: Ending) -> dict[str, Any]:
    final = ending.response
    status = Status(final["status"])
    text = text_of(final)
    usage = final["usage"]
    now = time.time()
    details = details_of(final)
    values = {
        "status": status,
        "ended_at": now,
        "response": orjson.dumps(final),
        "outcome": outcome_of(final, job.created_at, job.request),
        "sha256": final["penstock"]["sha256"],
        "first_token_at": ending.first_text_at,
        "progress": ending.progress,
        "title": storable(title_of(job.request, text)),
        "words": words_in(text),
        "tokens": max(0, min(usage["output_tokens"], _HIGHEST_COUNT)) if usage else None,
        "error": None if details.is_plain else storable(details.code)[:_LONGEST_CODE],
        "search": "",
    }
    if status is Status.CANCELLED:
        values["cancel_requested_at"] = func.coalesce(jobs.c.cancel_requested_at, now)
    return values


def end_unstarted(connection: Connection, job: Job) -> bool:
    """Cancel a job that no worker has claimed yet; false when one has. The first statement of its transaction."""
    queued = events.event_of(events.split(job.initial_frames)[0])["response"]
    final = response.ended(queued, Status.CANCELLED, now=time.time(), text="")
    transcript = TranscriptWriter()
    transcript.add(job.initial_frames)
    terminal = events.frame(response.terminal_kind(Status.CANCELLED), 2, {"response": final})
    never_claimed = and_(jobs.c.status == Status.QUEUED, jobs.c.attempt == 0)
    return end_job(connection, job, never_claimed, Ending(final, transcript.closed(terminal)))

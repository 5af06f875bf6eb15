"""The jobs in the database, as the worker that runs them sees them: claim, checkpoint, finish, give back.

Every write is guarded by id, attempt and `in_progress` in one UPDATE that comes first in its transaction.
When it hits nothing the attempt has been replaced, and nothing of it is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, delete, func, insert, select, update

from jobs.errors import PenstockError
from jobs.job import Job, Status
from jobs.protocol.fold import text_of
from jobs.protocol.word_count import words_in
from jobs.storage.database import Database
from jobs.storage.schema import checkpoints, jobs, paused, transcripts
from jobs.storage.store import job_of, searchable, select_jobs

# Numbers are reserved this many at a time: one small write per couple of minutes of a fast stream.
BLOCK = 10_000
# A run of a section opens at most two items; more would leave holes that some clients do not survive.
INDEX_BLOCK = 2


# PostgreSQL's name for the lock of those who claim; SQLite has one writer at a time anyway.
_CLAIMING = 0x70656E73
Limits = Callable[[str], int | None]


class Replaced(PenstockError):
    """A newer attempt has taken the job over, or it is gone: stop the model, write nothing."""


class Finish(StrEnum):
    """What became of the attempt to end a job."""

    DONE = "done"
    REPLACED = "replaced"
    CANCEL_WON = "cancel_won"


class Held(NamedTuple):
    """A job that a worker runs: its attempt, since when to cancel it (Unix seconds), whether to end it."""

    attempt: int
    cancel: float | None = None
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A finished section: its items as on the wire, and the usage it cost."""

    section: int
    items: Sequence[Mapping[str, Any]]
    usage: Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt's right to a job.

    It numbers its events from `first`, and items from `first_index` if it finds no log to tell; both below
    the job's marks, until it reserves more.
    """

    job: Job
    first: int
    first_index: int
    checkpoints: Sequence[Checkpoint]

    @property
    def attempt(self) -> int:
        """The fencing token of every write."""
        return self.job.attempt


class Note(NamedTuple):
    """How far an attempt is, as JSON for its row, and when the job's first text came."""

    claim: Claim
    progress: str
    first_text_at: float | None


class AttemptStore:
    """What a worker process may do to rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, worker: str, limit_of: Limits = lambda _: None) -> Claim | None:
        """Make the queued job whose turn it is this worker's next attempt; None when there is none.

        `limit_of` says of a model how many of its jobs may run at once, over all workers; None for any number.
        """
        while True:
            with self._database.write() as connection:
                first = connection.execute(_first_in_line(_busy(connection, limit_of))).scalar_one_or_none()
                if first is None:
                    return None
                if claim := self._claim(connection, first, worker):
                    return claim

    def claim_one(self, job_id: str, worker: str) -> Claim | None:
        """Make this job the worker's next attempt; None when it is not queued (any more)."""
        with self._database.write() as connection:
            return self._claim(connection, job_id, worker)

    def _claim(self, connection: Connection, job_id: str, worker: str) -> Claim | None:
        queued = and_(jobs.c.id == job_id, jobs.c.status == Status.QUEUED)
        values = {
            "status": Status.IN_PROGRESS,
            "attempt": jobs.c.attempt + 1,
            "worker": worker,
            "seq_mark": jobs.c.seq_mark + BLOCK,
            "index_mark": jobs.c.index_mark + INDEX_BLOCK,
        }
        if not connection.execute(update(jobs).where(queued).values(values)).rowcount:
            return None
        started = and_(jobs.c.id == job_id, jobs.c.started_at.is_(None))
        connection.execute(update(jobs).where(started).values(started_at=time.time()))
        row = connection.execute(select_jobs().where(jobs.c.id == job_id)).mappings().one()
        finished = connection.execute(
            select(checkpoints).where(checkpoints.c.job_id == job_id).order_by(checkpoints.c.section)
        ).all()
        kept = [
            Checkpoint(line.section, orjson.loads(line.items), line.usage and orjson.loads(line.usage))
            for line in finished
        ]
        job = job_of(row)
        return Claim(job, job.seq_mark - BLOCK, job.index_mark - INDEX_BLOCK, kept)

    def reserve(self, claim: Claim, seq_mark: int, index_mark: int) -> None:
        """Raise the row's marks, before numbers up to them are used. Raises Replaced."""
        marks = update(jobs).where(_current(claim)).values(seq_mark=seq_mark, index_mark=index_mark)
        with self._database.write() as connection:
            if not connection.execute(marks).rowcount:
                raise Replaced

    def checkpoint(self, claim: Claim, finished: Checkpoint) -> None:
        """Commit a finished section, so that it is never bought again. Raises Replaced."""
        values = {
            "job_id": claim.job.id,
            "section": finished.section,
            "items": orjson.dumps(finished.items).decode(),
            "usage": orjson.dumps(finished.usage).decode() if finished.usage else None,
        }
        with self._database.write() as connection:
            # An UPDATE that changes nothing locks the row: a newer claim waits, or has already won.
            if not connection.execute(update(jobs).where(_current(claim)).values(id=jobs.c.id)).rowcount:
                raise Replaced
            # An earlier call may have been committed and its answer lost.
            mine = and_(checkpoints.c.job_id == claim.job.id, checkpoints.c.section == finished.section)
            connection.execute(delete(checkpoints).where(mine))
            connection.execute(insert(checkpoints).values(values))  # invariant 5

    def finish(self, note: Note, response: Mapping[str, Any], transcript: bytes) -> Finish:
        """End the job: status, response and transcript in one transaction; `note` is of how far it has come.

        A job that was asked to be cancelled is not ended as anything else: CANCEL_WON says so. Calling again
        after an answer got lost is harmless.
        """
        claim, status = note.claim, Status(response["status"])
        guard = _current(claim)
        if status is not Status.CANCELLED:
            guard = and_(guard, jobs.c.cancel_requested_at.is_(None))
        text, usage = text_of(response), response["usage"]
        error, details = response["error"] or {}, response["incomplete_details"] or {}
        values = {
            "status": status,
            "ended_at": time.time(),
            "response": orjson.dumps(response),
            "sha256": response["penstock"]["sha256"],
            "first_token_at": note.first_text_at,
            "progress": note.progress,
            "words": words_in(text),
            "tokens": usage and usage["output_tokens"],
            "error": error.get("code") or details.get("reason"),
            "search": jobs.c.search + searchable(f"\n{text}"),
        }
        with self._database.write() as connection:
            if connection.execute(update(jobs).where(guard).values(values)).rowcount:  # invariant 3
                connection.execute(insert(transcripts).values(job_id=claim.job.id, frames=transcript))
                connection.execute(delete(checkpoints).where(checkpoints.c.job_id == claim.job.id))
                return Finish.DONE
            row = connection.execute(
                select(jobs.c.attempt, jobs.c.status).where(jobs.c.id == claim.job.id)
            ).one_or_none()
        if row is None or row.attempt != claim.attempt or row.status == Status.QUEUED:
            return Finish.REPLACED
        # My own attempt, already terminal: an earlier call was committed and its answer lost.
        return Finish.CANCEL_WON if row.status == Status.IN_PROGRESS else Finish.DONE

    def give_back(self, claim: Claim, next_number: int) -> bool:
        """Queue the job again, as a drain does; its numbers go on at `next_number`. Costs none of its rescues.

        False when a newer attempt owns the job.
        """
        values = {"status": Status.QUEUED, "worker": None, "seq_mark": next_number, "send_after": 0.0}
        with self._database.write() as connection:
            return connection.execute(update(jobs).where(_current(claim)).values(values)).rowcount > 0

    def is_current(self, claim: Claim) -> bool:
        """Whether this attempt still owns its job."""
        with self._database.read() as connection:
            return connection.execute(select(jobs.c.id).where(_current(claim))).first() is not None

    def held(self, worker: str) -> dict[str, Held]:
        """The jobs that this worker runs, by id."""
        wishes = (jobs.c.cancel_requested_at, jobs.c.stop_requested_at.is_not(None))
        mine = and_(jobs.c.worker == worker, jobs.c.status == Status.IN_PROGRESS)
        with self._database.read() as connection:
            rows = connection.execute(select(jobs.c.id, jobs.c.attempt, *wishes).where(mine))
            return {job_id: Held(attempt, cancel, bool(stop)) for job_id, attempt, cancel, stop in rows}

    def note_progress(self, notes: Sequence[Note]) -> None:
        """Note what is to be seen of these attempts; those that were replaced change nothing."""
        rows = [
            {"job": claim.job.id, "tried": claim.attempt, "far": progress, "first": first_text_at}
            for claim, progress, first_text_at in notes
        ]
        noted: dict[str, Any] = {"progress": bindparam("far"), "first_token_at": bindparam("first")}
        with self._database.write() as connection:
            connection.execute(update(jobs).where(_attempt(bindparam("job"), bindparam("tried"))).values(noted), rows)

    def requeue_orphans(self, worker: str) -> int:
        """Give the jobs of a dead worker back to the queue; each such rescue counts. Returns how many."""
        return self._requeue(and_(jobs.c.worker == worker, jobs.c.status == Status.IN_PROGRESS))

    def give_up(self, job_id: str, attempt: int) -> None:
        """Give a job back that this worker cannot go on with, as if the worker had died."""
        self._requeue(_attempt(job_id, attempt))

    def _requeue(self, orphans: ColumnElement[bool]) -> int:
        values = {"status": Status.QUEUED, "worker": None, "rescues": jobs.c.rescues + 1, "send_after": 0.0}
        with self._database.write() as connection:
            return connection.execute(update(jobs).where(orphans).values(values)).rowcount


def _first_in_line(busy: Sequence[str]) -> Select[Any]:
    """The queued job whose turn it is: the owner's with the fewest running, and of these the oldest.

    None of a tier that is paused. So one owner's thousand jobs keep nobody else waiting.
    """
    running = (
        select(jobs.c.owner, func.count().label("jobs"))
        .where(jobs.c.status == Status.IN_PROGRESS)
        .group_by(jobs.c.owner)
        .subquery()
    )
    return (
        select(jobs.c.id)
        .outerjoin(running, running.c.owner == jobs.c.owner)
        .where(jobs.c.status == Status.QUEUED, jobs.c.model.not_in(busy), jobs.c.tier.not_in(select(paused.c.tier)))
        .order_by(jobs.c.tier, func.coalesce(running.c.jobs, 0), jobs.c.created_at, jobs.c.id)
        .limit(1)
    )


def _busy(connection: Connection, limit_of: Limits) -> list[str]:
    """The models that run as many jobs as they may."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_CLAIMING)))  # two that count at once would both claim
    running = select(jobs.c.model, func.count()).where(jobs.c.status == Status.IN_PROGRESS).group_by(jobs.c.model)
    return [model for model, count in connection.execute(running) if count >= (limit_of(model) or count + 1)]


def _current(claim: Claim) -> ColumnElement[bool]:
    return _attempt(claim.job.id, claim.attempt)


def _attempt(job_id: str | ColumnElement[str], attempt: int | ColumnElement[int]) -> ColumnElement[bool]:
    return and_(  # invariant 4
        jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.status == Status.IN_PROGRESS
    )

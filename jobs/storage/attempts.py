"""The jobs in the database, as the worker that runs them sees them: claim, checkpoint, finish, give back.

Every write is guarded by id, attempt and `in_progress` in one UPDATE that comes first in its transaction.
When it hits nothing the attempt has been replaced, and nothing of it is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, insert, select, update

from jobs.errors import PenstockError
from jobs.job import Job, Status
from jobs.protocol.response import in_range
from jobs.storage.database import Database
from jobs.storage.ending import Ending, end_job
from jobs.storage.images.kept_images import images_of
from jobs.storage.queue import claims
from jobs.storage.queue.claims import BLOCK, INDEX_BLOCK, Limits, RunningLimits
from jobs.storage.queue.held import held_values
from jobs.storage.rows import job_of, select_jobs
from jobs.storage.schema import checkpoints, jobs, workers
from jobs.storage.statistics import QUEUES

__all__ = ["BLOCK", "INDEX_BLOCK", "Limits"]


class Replaced(PenstockError):
    """A newer attempt has taken the job over, or it is gone: stop the model, write nothing."""


class Finish(StrEnum):
    """What became of the attempt to end a job."""

    DONE = "done"
    REPLACED = "replaced"
    CANCEL_WON = "cancel_won"


class Held(NamedTuple):
    """A job that a worker runs: its attempt, since when to cancel it (Unix s), and whether to end it."""

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
    """What a worker process may do to rows. `tiers` are those of which it claims jobs."""

    def __init__(self, database: Database, tiers: Collection[str] = QUEUES) -> None:
        self._database = database
        self._closed_tiers = frozenset(number for number, name in enumerate(QUEUES) if name not in tiers)

    def claim(
        self, worker: str, limit_of: Limits = lambda _: None, owner_limit_of: Limits | None = None
    ) -> Claim | None:
        """Make the queued job whose turn it is this worker's next attempt; None when there is none.

        `limit_of` says of a model how many of its jobs may run at once, over all workers, and `owner_limit_of` the same
        of an owner; None for any number. A job that is only to be ended comes first.
        """
        return self._claim(worker, RunningLimits(limit_of, owner_limit_of, self._closed_tiers))

    def claim_ending(self, worker: str) -> Claim | None:
        """Claim a queued job that ran before and that somebody asked to end; None when there is none.

        For a worker that has no room for another job: such a job asks no model.
        """
        return self._claim(worker, RunningLimits(lambda _: None), only_to_end=True)

    def is_any_queued(self) -> bool:
        """Whether it is worth while to try a claim: some job waits, though its turn may not have come."""
        with self._database.read() as connection:
            return connection.execute(claims.select_queued().limit(1)).first() is not None

    def claim_one(self, job_id: str, worker: str) -> Claim | None:
        """Make this job the worker's next attempt; None when it is not queued (any more)."""
        with self._database.write() as connection:
            return _claim_of(connection, job_id) if claims.claim_row(connection, job_id, worker) else None

    def _claim(self, worker: str, limits: RunningLimits, *, only_to_end: bool = False) -> Claim | None:
        with self._database.write() as connection:
            job_id = claims.claim_next(connection, worker, limits, only_to_end=only_to_end)
            return _claim_of(connection, job_id) if job_id is not None else None

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
            "usage": orjson.dumps(in_range(finished.usage)).decode() if finished.usage else None,
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
        claim = note.claim
        guard = _current(claim)
        if response["status"] != Status.CANCELLED:
            guard = and_(guard, jobs.c.cancel_requested_at.is_(None))
        ending = Ending(response, transcript, note.progress, note.first_text_at)
        with self._database.write() as connection:
            if end_job(connection, claim.job, guard, ending):
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
        values = {"status": Status.QUEUED, "worker": None, "seq_mark": next_number}
        with self._database.write() as connection:
            return connection.execute(update(jobs).where(_current(claim)).values(values)).rowcount > 0

    def hold(self, claim: Claim, next_number: int) -> bool:
        """Let the job wait for a person, with no worker; its numbers go on at `next_number`.

        One that was asked to end meanwhile is queued for that. False when a newer attempt owns the job.
        """
        values = {"worker": None, "seq_mark": next_number, **held_values()}
        with self._database.write() as connection:
            return connection.execute(update(jobs).where(_current(claim)).values(values)).rowcount > 0

    def is_current(self, claim: Claim) -> bool:
        """Whether this attempt still owns its job."""
        with self._database.read() as connection:
            return connection.execute(select(jobs.c.id).where(_current(claim))).first() is not None

    def images(self, claim: Claim) -> dict[str, bytes]:
        """The data of the job's images by name, as far as they came as data."""
        return images_of(self._database, claim.job)

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

    def requeue_orphans(self, worker: str, counter: int = -1) -> int:
        """Give the jobs of a dead worker back to the queue; each such rescue counts. Returns how many.

        `counter` is the one that the worker was judged by, -1 for a worker without a row. When it has moved since, the
        worker lives, and nothing is changed.
        """
        row = exists().where(workers.c.id == worker)
        judged = row.where(workers.c.counter == counter) if counter >= 0 else ~row
        return self._requeue(and_(jobs.c.worker == worker, jobs.c.status == Status.IN_PROGRESS, judged))

    def give_up(self, job_id: str, attempt: int) -> None:
        """Give a job back that this worker cannot go on with, as if the worker had died."""
        self._requeue(_attempt(job_id, attempt))

    def _requeue(self, orphans: ColumnElement[bool]) -> int:
        values = {"status": Status.QUEUED, "worker": None, "rescues": jobs.c.rescues + 1}
        with self._database.write() as connection:
            return connection.execute(update(jobs).where(orphans).values(values)).rowcount


def _claim_of(connection: Connection, job_id: str) -> Claim:
    """The claim that was made in this transaction."""
    job = job_of(connection.execute(select_jobs().where(jobs.c.id == job_id)).mappings().one())
    finished = select(checkpoints).where(checkpoints.c.job_id == job_id).order_by(checkpoints.c.section)
    sections = [
        Checkpoint(row.section, orjson.loads(row.items), row.usage and orjson.loads(row.usage))
        for row in connection.execute(finished)
    ]
    return Claim(job, job.seq_mark - BLOCK, job.index_mark - INDEX_BLOCK, sections)


def _current(claim: Claim) -> ColumnElement[bool]:
    return _attempt(claim.job.id, claim.attempt)


def _attempt(job_id: str | ColumnElement[str], attempt: int | ColumnElement[int]) -> ColumnElement[bool]:
    return and_(  # invariant 4
        jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.status == Status.IN_PROGRESS
    )

"""The jobs in the database, as those who ask for them see them: accept, look up, list, cancel, delete.

What a worker does with a job is in jobs/storage/attempts.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import and_, bindparam, func, select, update
from sqlalchemy.exc import IntegrityError

from jobs.errors import JobNotFound
from jobs.job import Job, Status
from jobs.limits import OwnerLimits
from jobs.protocol.ids import is_job_id
from jobs.requests.images import Image
from jobs.requests.job_request import JobRequest
from jobs.storage.acceptance import Sending, earlier_job, hash_of, insert_job, new_row
from jobs.storage.access.budget import check_queue
from jobs.storage.database import Database, until_written
from jobs.storage.disk.reserve import DiskReserve
from jobs.storage.disk.space import DiskSpace
from jobs.storage.ending import end_unstarted
from jobs.storage.images.kept_images import images_of
from jobs.storage.lists.filing import change_metadata
from jobs.storage.lists.job_lists import JobLists
from jobs.storage.queue.held import released_values
from jobs.storage.rows import job_of, select_jobs
from jobs.storage.schema import HAS_ENDED, jobs, transcripts
from jobs.storage.search.catch_up import index_some
from jobs.storage.search.entries import delete_jobs

T = TypeVar("T")

# A client waits for its answer; what takes longer is an error that it may send again.
_WRITE_SECONDS = 3.0
_NO_LIMITS = OwnerLimits()
_NO_IMAGES: Mapping[str, Image] = {}
# Built once: that costs as much as asking SQLite.
_OWNED = select_jobs().where(jobs.c.id == bindparam("job_id"), jobs.c.owner == bindparam("by"))  # invariant 8


class Store:
    """The database's side of every request. `owner` is always checked: another's job does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reserve = DiskReserve(database)
        self._space = DiskSpace(database)
        self.lists = JobLists(database)

    def accept(
        self,
        owner: str,
        request: JobRequest,
        *,
        body_hash: str | None = None,
        idempotency_key: str | None = None,
        client_retry: int = 0,
        waiter: str | None = None,
        finished: Iterable[Mapping[str, Any]] = (),
        limits: OwnerLimits = _NO_LIMITS,
        images: Mapping[str, Image] = _NO_IMAGES,
    ) -> Job:
        """Store a new job; once this returns it is never lost.

        The same key again gives the job that it gave before; so does the same body, to a client that says that it
        sends it for the `client_retry`th time again. `body_hash` is that of the body as it was sent, by default of the
        request; `waiter` is the connection that waits for a job without `background`; `finished` are checkpoints to
        begin with; `limits` are the owner's; `images` those that came with the request, by name. Raises InvalidRequest
        when the key was used with another body or an image is gone, and LimitReached.
        """
        told = body_hash or hash_of(request.to_json())
        shown = list(request.images)
        sending = Sending(owner, told, idempotency_key, client_retry, waiter, shown, images, request.retry_of)
        row = new_row(sending, request)
        sections = list(finished)
        return self._write(lambda: self._accept(sending, row, sections, limits))

    def earlier(
        self, owner: str, body_hash: str, *, idempotency_key: str | None, client_retry: int, waiter: str | None = None
    ) -> Job | None:
        """The job that a create made before, when its body is sent again; None when it makes a new one.

        For before the body is validated: it is answered even if it could not be accepted any more. Raises
        InvalidRequest when the key was used with another body.
        """
        if not idempotency_key and not client_retry:
            return None
        sending = Sending(owner, body_hash, idempotency_key, client_retry, waiter)
        job_id = self._write(lambda: self._earlier(sending))
        return self.get(owner, job_id) if job_id else None

    def _accept(
        self, sending: Sending, row: Mapping[str, Any], finished: Sequence[Mapping[str, Any]], limits: OwnerLimits
    ) -> Job:
        try:
            with self._database.write() as connection:
                if (before := earlier_job(connection, sending)) is None:
                    check_queue(connection, sending.owner, limits)
                    insert_job(connection, sending, row, finished)
                    # Read before the commit: a worker may claim the job right after it.
                    inserted = select_jobs().where(jobs.c.id == row["id"])
                    return job_of(connection.execute(inserted).mappings().one())
        except IntegrityError:
            # A commit whose answer was lost, or the same key at the same moment.
            mine = select(jobs.c.id).where(jobs.c.id == row["id"])
            with self._database.read() as connection:
                before = connection.execute(mine).scalar_one_or_none()
            before = before or self._earlier(sending)
            if before is None:
                raise
        return self.get(sending.owner, before)

    def _earlier(self, sending: Sending) -> str | None:
        with self._database.write() as connection:
            return earlier_job(connection, sending)

    def _write(self, write: Callable[[], T]) -> T:
        """One write, for a client that waits for its answer: a database that is away for longer is an error."""
        return until_written(write, seconds=_WRITE_SECONDS)

    def get(self, owner: str, job_id: str) -> Job:
        """The owner's job. Raises JobNotFound."""
        if not is_job_id(job_id):
            raise JobNotFound(job_id)
        with self._database.read() as connection:
            row = connection.execute(_OWNED, {"job_id": job_id, "by": owner}).mappings().one_or_none()
        if row is None:
            raise JobNotFound(job_id)
        return job_of(row)

    def response_beginning(self, owner: str, job_id: str, size: int) -> bytes:
        """The first bytes of the stored response of an owner's job; none while it has not ended, or when it is gone."""
        beginning = select(func.substr(jobs.c.response, 1, size)).where(jobs.c.id == job_id, jobs.c.owner == owner)
        with self._database.read() as connection:
            return bytes(connection.execute(beginning).scalar_one_or_none() or b"")

    def retried_by(self, owner: str, job_id: str) -> str | None:
        """The id of the newest job that repeats this one of an owner; None when there is none, or it was deleted."""
        newest = select(jobs.c.retried_by).where(jobs.c.id == job_id).scalar_subquery()
        with self._database.read() as connection:
            return connection.execute(
                select(jobs.c.id).where(jobs.c.id == newest, jobs.c.owner == owner)
            ).scalar_one_or_none()

    def statuses(self, job_ids: Collection[str], owner: str | None = None) -> dict[str, Status]:
        """The status of each of these jobs of an owner; without one, for the relay, of all. Who is gone is left out."""
        query = select(jobs.c.id, jobs.c.status).where(jobs.c.id.in_(job_ids))
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        with self._database.read() as connection:
            return {row.id: Status(row.status) for row in connection.execute(query)}

    def transcript(self, job_id: str) -> bytes | None:
        """All frames of an ended job, compressed; None while it runs or when it is gone."""
        query = select(transcripts.c.frames).where(transcripts.c.job_id == job_id)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def images(self, job: Job) -> dict[str, bytes]:
        """The data of the job's images by name, as far as they came as data."""
        return images_of(self._database, job)

    def request_cancel(self, owner: str, job_id: str, *, graceful: bool = False) -> Job:
        """Ask for a job's end. One that never ran ends here; any other is ended by a worker.

        A `graceful` end lets the job finish its sentences, and it counts as incomplete instead of cancelled.
        Asking again, or after the end, changes nothing. Raises JobNotFound.
        """
        job = self.get(owner, job_id)
        self._write(lambda: self._reserve.use(lambda: self._request_cancel(job, graceful=graceful)))
        return self.get(owner, job_id)

    def _request_cancel(self, job: Job, *, graceful: bool) -> None:
        with self._database.write() as connection:
            if job.attempt == 0 and end_unstarted(connection, job):
                return
            wish = jobs.c.stop_requested_at if graceful else jobs.c.cancel_requested_at
            first = and_(jobs.c.id == job.id, jobs.c.ended_at.is_(None), wish.is_(None))
            connection.execute(update(jobs).where(first).values({wish: time.time(), **released_values()}))

    def change_metadata(self, owner: str, job_id: str, metadata: Mapping[str, str]) -> Job:
        """Give a job other metadata, whether it has ended or not. Raises JobNotFound."""
        self._write(lambda: self._change_metadata(owner, job_id, metadata))
        return self.get(owner, job_id)

    def _change_metadata(self, owner: str, job_id: str, metadata: Mapping[str, str]) -> None:
        with self._database.write() as connection:
            change_metadata(connection, owner, job_id, metadata)

    def delete(self, owner: str, job_id: str) -> None:
        """Remove a job and all that belongs to it; a worker that still runs it finds itself replaced.

        Raises JobNotFound.
        """
        self.get(owner, job_id)
        self._write(lambda: self._reserve.use(lambda: self._delete(owner, job_id)))

    def delete_all(self, owner: str, job_ids: Collection[str]) -> Sequence[str]:
        """Remove those of these jobs that are the owner's, in one transaction. Returns their ids."""
        return self._write(lambda: self._reserve.use(lambda: self._delete(owner, *job_ids)))

    def _delete(self, owner: str, *job_ids: str) -> Sequence[str]:
        with self._database.write() as connection:
            return delete_jobs(connection, jobs.c.id.in_(job_ids), jobs.c.owner == owner)

    def keep_reserve(self) -> None:
        """Have room kept on the disk for deleting, as far as there is any."""
        self._reserve.keep()

    def index_some(self) -> None:
        """Have a few jobs found by their words that an earlier version wrote."""
        index_some(self._database)

    def give_back_space(self) -> None:
        """Return to the disk, step by step, what removed jobs have left."""
        self._space.give_back()

    def expire(self, before: float, limit: int) -> int:
        """Remove up to `limit` of the jobs that ended before this time (Unix s). Returns how many.

        Some at a time: nobody else writes to SQLite meanwhile.
        """
        old = select(jobs.c.id).where(HAS_ENDED, jobs.c.ended_at < before).limit(limit)
        with self._database.write() as connection:
            job_ids = connection.execute(old).scalars().all()
            return len(delete_jobs(connection, jobs.c.id.in_(job_ids)))

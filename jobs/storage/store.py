"""The jobs in the database, as those who ask for them see them: accept, look up, list, cancel, delete.

What a worker does with a job is in jobs/storage/attempts.py.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypedDict, Unpack

import orjson
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from jobs.errors import InvalidRequest, JobNotFound
from jobs.job import Job, Status
from jobs.protocol import events, response
from jobs.protocol.ids import is_job_id, new_job_id
from jobs.protocol.transcript import TranscriptWriter
from jobs.requests.job_request import FLEX, JobRequest
from jobs.storage.database import Database
from jobs.storage.schema import checkpoints, jobs, transcripts

# How long the process that accepted a job has to send its wake-up message before rescue does.
SEND_GRACE_SECONDS = 2.0
# Clients that got no answer send a request again within seconds.
_RETRY_SECONDS = 120.0

_COLUMNS = [jobs.c[field.name] for field in fields(Job)]


def job_of(row: RowMapping) -> Job:
    """The Job in a row that has been selected with `columns`."""
    read = {"status": Status(row["status"]), "request": JobRequest.from_json(row["request"])}
    return Job(**{**row, **read, "progress": row["progress"] and orjson.loads(row["progress"])})


def select_jobs() -> Select[Any]:
    """SELECT of what `job_of` needs."""
    return select(*_COLUMNS)


def searchable(text: str) -> str:
    """A text as it is looked for: in lower case, and without NUL, which PostgreSQL cannot store."""
    return text.lower().replace("\0", " ")


class Filter(TypedDict, total=False):
    """Only jobs of a status, those of a prompt, those with `words` in their request or text, in any case."""

    status: Status | None
    prompt: str | None
    words: str


def _matching(
    owner: str, *, status: Status | None = None, prompt: str | None = None, words: str = ""
) -> ColumnElement[bool]:
    found = [jobs.c.owner == owner]
    if words:
        found.append(jobs.c.search.contains(searchable(words), autoescape=True))
    if status is not None:
        found.append(jobs.c.status == status)
    if prompt is not None:
        found.append(jobs.c.prompt == searchable(prompt))  # ids are in lower case
    return and_(*found)


class Store:
    """The database's side of every request. `owner` is always checked: another's job does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(
        self,
        owner: str,
        request: JobRequest,
        *,
        idempotency_key: str | None = None,
        retried: int = 0,
        finished: Iterable[Mapping[str, Any]] = (),
    ) -> Job:
        """Store a new job; once this returns it is never lost.

        The same key again gives the job that it gave before; so does the same body, to a client that says that it
        sends it for the `retried`th time again. `finished` are checkpoints to begin with. Raises InvalidRequest
        when the key was used with another body.
        """
        stored = request.to_json()
        job_id = new_job_id()
        now = time.time()
        row = {
            "id": job_id,
            "owner": owner,
            "status": Status.QUEUED,
            "created_at": now,
            "send_after": now + SEND_GRACE_SECONDS,
            "idempotency_key": idempotency_key,
            "client_retry": retried,
            **_columns(request, stored),
            "initial_frames": response.initial_frames(job_id, now, request),
        }
        try:
            with self._database.write() as connection:
                if retried and not idempotency_key and (before := _take(connection, row, request.background)):
                    job_id = before
                else:
                    connection.execute(insert(jobs).values(row))  # invariant 1
                    for section in finished:
                        connection.execute(insert(checkpoints).values(job_id=job_id, **section))
        except IntegrityError:
            return self._accepted_before(owner, str(idempotency_key), str(row["body_hash"]))
        return self.get(owner, job_id)

    def _accepted_before(self, owner: str, key: str, body_hash: str) -> Job:
        query = select(jobs.c.id, jobs.c.body_hash).where(jobs.c.owner == owner, jobs.c.idempotency_key == key)
        with self._database.read() as connection:
            row = connection.execute(query).one()
        if row.body_hash != body_hash:
            raise InvalidRequest(
                "This Idempotency-Key was used with another body: use a new key for a new request.",
                param="Idempotency-Key",
                code="idempotency_key_reused",
            )
        return self.get(owner, row.id)

    def get(self, owner: str, job_id: str) -> Job:
        """The owner's job. Raises JobNotFound."""
        if not is_job_id(job_id):
            raise JobNotFound(job_id)
        query = select_jobs().where(jobs.c.id == job_id, jobs.c.owner == owner)  # invariant 8
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise JobNotFound(job_id)
        return job_of(row)

    def page(
        self, owner: str, *, limit: int, after: str | None = None, newest_first: bool = True, **only: Unpack[Filter]
    ) -> list[Job]:
        """Up to `limit` jobs of the owner that match, in order of age, beginning behind the job `after`."""
        query = select_jobs().where(_matching(owner, **only))
        if after is not None:
            last = self.get(owner, after)
            older = jobs.c.created_at < last.created_at if newest_first else jobs.c.created_at > last.created_at
            tie = jobs.c.id < last.id if newest_first else jobs.c.id > last.id
            query = query.where(or_(older, and_(jobs.c.created_at == last.created_at, tie)))
        keys = (jobs.c.created_at, jobs.c.id)
        query = query.order_by(*(key.desc() if newest_first else key for key in keys)).limit(limit)
        with self._database.read() as connection:
            return [job_of(row) for row in connection.execute(query).mappings()]

    def counts(self, owner: str, **only: Unpack[Filter]) -> dict[Status, int]:
        """How many jobs of the owner match, by status."""
        query = select(jobs.c.status, func.count()).where(_matching(owner, **only)).group_by(jobs.c.status)
        with self._database.read() as connection:
            return dict.fromkeys(Status, 0) | {Status(status): count for status, count in connection.execute(query)}

    def ids(self, owner: str, *, limit: int = 10_000, **only: Unpack[Filter]) -> list[str]:
        """The ids of the owner's jobs that match, the newest first."""
        query = select(jobs.c.id).where(_matching(owner, **only))
        query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

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

    def queue_position(self, job: Job) -> tuple[int, float]:
        """How many queued jobs were accepted before this one, and when the first of all was."""
        before = and_(jobs.c.status == Status.QUEUED, jobs.c.created_at < job.created_at)
        with self._database.read() as connection:
            count, oldest = connection.execute(select(func.count(), func.min(jobs.c.created_at)).where(before)).one()
        return count, oldest or job.created_at

    def request_cancel(self, owner: str, job_id: str, *, graceful: bool = False) -> Job:
        """Ask for a job's end. One that never ran ends here; any other is ended by a worker.

        A `graceful` end lets the job finish its sentences, and it counts as incomplete instead of cancelled.
        Asking again, or after the end, changes nothing. Raises JobNotFound.
        """
        job, now = self.get(owner, job_id), time.time()
        with self._database.write() as connection:
            ended = job.attempt == 0 and self._end_unstarted(connection, job, now)
            if not ended:
                wish = jobs.c.stop_requested_at if graceful else jobs.c.cancel_requested_at
                unasked = and_(jobs.c.id == job_id, jobs.c.ended_at.is_(None), wish.is_(None))
                connection.execute(update(jobs).where(unasked).values({wish: now}))
        return self.get(owner, job_id)

    def _end_unstarted(self, connection: Connection, job: Job, now: float) -> bool:
        """End a job that no worker has claimed; false when one has by now."""
        queued = events.event_of(events.split(job.initial_frames)[0])["response"]
        final = response.ended(queued, Status.CANCELLED, now=now, text="")
        never_ran = and_(jobs.c.id == job.id, jobs.c.status == Status.QUEUED, jobs.c.attempt == 0)
        values = {"status": Status.CANCELLED, "ended_at": now, "response": orjson.dumps(final)}
        values |= {"cancel_requested_at": now, "sha256": final["penstock"]["sha256"], "words": 0}
        if not connection.execute(update(jobs).where(never_ran).values(values)).rowcount:
            return False
        last = events.frame(response.terminal_kind(Status.CANCELLED), 2, {"response": final})
        transcript = TranscriptWriter()
        transcript.add(job.initial_frames)
        connection.execute(insert(transcripts).values(job_id=job.id, frames=transcript.closed(last)))
        return True

    def delete(self, owner: str, job_id: str) -> None:
        """Remove a job and all that belongs to it; a worker that still runs it finds itself replaced.

        Raises JobNotFound.
        """
        with self._database.write() as connection:
            gone = connection.execute(delete(jobs).where(jobs.c.id == job_id, jobs.c.owner == owner))
        if gone.rowcount == 0:
            raise JobNotFound(job_id)

    def expire(self, before: float) -> int:
        """Remove the jobs that ended before this time. Returns how many."""
        with self._database.write() as connection:
            return connection.execute(delete(jobs).where(jobs.c.ended_at < before)).rowcount

    def due(self, now: float, limit: int = 500) -> list[str]:
        """Queued jobs whose wake-up message should be sent by now, oldest first."""
        query = (
            select(jobs.c.id)
            .where(jobs.c.status == Status.QUEUED, jobs.c.send_after <= now)
            .order_by(jobs.c.created_at)
            .limit(limit)
        )
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def sent(self, job_ids: Sequence[str], now: float) -> None:
        """Note that wake-ups were sent: the next is due in 30 s, then doubling to 10 minutes."""
        with self._database.write() as connection:
            for row in connection.execute(select(jobs.c.id, jobs.c.sends).where(jobs.c.id.in_(job_ids))).all():
                wait = min(600, 30 * 2 ** min(row.sends, 5))
                connection.execute(
                    update(jobs).where(jobs.c.id == row.id).values(sends=row.sends + 1, send_after=now + wait)
                )


def _columns(request: JobRequest, stored: bytes) -> dict[str, Any]:
    """The columns that follow from a request; `stored` is its JSON."""
    return {
        "request": stored.decode(),
        "body_hash": hashlib.sha256(stored).hexdigest(),
        "tier": int(request.service_tier == FLEX),
        "model": request.model,
        "prompt": request.prompt.id if request.prompt else None,
        "search": searchable(request.search_text),
    }


def _take(connection: Connection, row: Mapping[str, Any], background: bool) -> str | None:
    """The newest job with the body of a request that is sent again; None when there is none to be had.

    Never one that another client's retry was answered with, or that is being cancelled: leaving a create without
    `background` cancels its job.
    """
    same = and_(
        jobs.c.owner == row["owner"], jobs.c.body_hash == row["body_hash"], jobs.c.client_retry < row["client_retry"]
    )
    usable = and_(jobs.c.cancel_requested_at.is_(None), jobs.c.created_at > row["created_at"] - _RETRY_SECONDS)
    query = select(jobs.c.id).where(same, usable).order_by(jobs.c.created_at.desc()).limit(1)
    if not background:
        query = query.where(jobs.c.ended_at.is_not(None))
    # Two retries at once cannot both have it: PostgreSQL's second one waits for the lock, and then looks again.
    newest = query.with_for_update().scalar_subquery()
    taken = update(jobs).where(jobs.c.id == newest).values(client_retry=row["client_retry"]).returning(jobs.c.id)
    return connection.execute(taken).scalar_one_or_none()

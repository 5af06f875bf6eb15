"""A create in the database: a new row, or the job that the same create made before."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, select, update

from jobs.errors import InvalidRequest
from jobs.job import Status
from jobs.protocol import response
from jobs.protocol.ids import new_job_id
from jobs.requests.images import Image
from jobs.requests.job_request import FLEX, JobRequest
from jobs.requests.title import title_of
from jobs.storage.images.kept_images import keep_images
from jobs.storage.lists.filing import filing_columns
from jobs.storage.lists.labels import add_labels
from jobs.storage.rows import storable
from jobs.storage.schema import checkpoints, jobs
from jobs.storage.search.entries import row_words, set_entry
from jobs.storage.waiters import add_waiter

# Clients that got no answer send a request again within seconds.
_RETRY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Sending:
    """How a client sends a create.

    `body_hash` is the SHA-256 of the body as it was sent, `client_retry` how many times the client says that it sent it
    before, `waiter` the connection that waits for a job without `background`; `image_names` are the images that the job
    has, of which `images` came with the request; `retry_of` is the job that it repeats.
    """

    owner: str
    body_hash: str
    idempotency_key: str | None = None
    client_retry: int = 0
    waiter: str | None = None
    image_names: Collection[str] = ()
    images: Mapping[str, Image] = field(default_factory=dict)
    retry_of: str | None = None


def hash_of(body: bytes) -> str:
    """The hash by which a body is recognised when it is sent again."""
    return hashlib.sha256(body).hexdigest()


def new_row(sending: Sending, request: JobRequest) -> dict[str, Any]:
    """The row of a new job. Raises InvalidRequest when JSON cannot carry a value of the request."""
    job_id = new_job_id()
    now = time.time()
    return {
        "id": job_id,
        "owner": sending.owner,
        "status": Status.QUEUED,
        "created_at": now,
        "tier": int(request.service_tier == FLEX),
        "model": request.model,
        "request": request.to_json().decode(),
        "prompt": request.prompt.id if request.prompt else None,
        "root_id": request.root,
        "target_words": request.target_words,
        "title": storable(title_of(request)),
        **filing_columns(request.metadata),
        "body_hash": sending.body_hash,
        "idempotency_key": sending.idempotency_key,
        "client_retry": sending.client_retry,
        "stored": int(request.store),
        "initial_frames": response.initial_frames(job_id, now, request),
    }


def insert_job(
    connection: Connection, sending: Sending, row: Mapping[str, Any], finished: Iterable[Mapping[str, Any]]
) -> None:
    """Insert a new job with its checkpoints, its images and its waiter.

    Raises IntegrityError when the key or the id is taken, InvalidRequest when an image was deleted meanwhile.
    """
    connection.execute(insert(jobs).values(row))  # invariant 1
    set_entry(connection, row["id"], row_words(row))
    add_labels(connection, [row])
    keep_images(connection, sending.owner, row["id"], sending.image_names, sending.images)
    for section in finished:
        connection.execute(insert(checkpoints).values(job_id=row["id"], **section))
    if sending.waiter:
        add_waiter(connection, sending.waiter, row["id"])
    if sending.retry_of:
        repeated = and_(jobs.c.id == sending.retry_of, jobs.c.owner == sending.owner)
        connection.execute(update(jobs).where(repeated).values(retried_by=row["id"]))


def earlier_job(connection: Connection, sending: Sending) -> str | None:
    """The id of the job that this create made before; None when it makes a new one.

    The waiter then waits for that job. A job without `background` that was cancelled, because whoever waited for it
    left, is no answer: its key is free again. Raises InvalidRequest when the key was used with another body.
    """
    row = _of_key(connection, sending) if sending.idempotency_key else _of_body(connection, sending)
    if row is None:
        return None
    if JobRequest.from_json(row.request).background:
        return str(row.id)
    usable = row.cancel_requested_at is None
    if sending.waiter:
        usable = add_waiter(connection, sending.waiter, row.id)
    if usable:
        return str(row.id)
    connection.execute(update(jobs).where(jobs.c.id == row.id).values(idempotency_key=None))
    return None


_Row = Row[*tuple[Any, ...]]
_SELECT_EARLIER = select(jobs.c.id, jobs.c.request, jobs.c.body_hash, jobs.c.cancel_requested_at, jobs.c.ended_at)


def _of_key(connection: Connection, sending: Sending) -> _Row | None:
    mine = and_(jobs.c.owner == sending.owner, jobs.c.idempotency_key == sending.idempotency_key)
    row = connection.execute(_SELECT_EARLIER.where(mine)).one_or_none()
    if row is not None and row.body_hash not in ("", sending.body_hash):
        raise InvalidRequest(
            "This Idempotency-Key was used with another body: use a new key for a new request.",
            param="Idempotency-Key",
            code="idempotency_key_reused",
        )
    return row


def _of_body(connection: Connection, sending: Sending) -> _Row | None:
    """The newest job with a body that is sent again, which no other client's retry was answered with."""
    if not sending.client_retry:
        return None
    same = and_(
        jobs.c.owner == sending.owner,
        jobs.c.body_hash == sending.body_hash,
        jobs.c.client_retry < sending.client_retry,
        jobs.c.cancel_requested_at.is_(None),
        jobs.c.created_at > time.time() - _RETRY_SECONDS,
    )
    # Two retries at once cannot both have it: PostgreSQL's second one waits for the lock, and then looks again.
    row = connection.execute(
        _SELECT_EARLIER.where(same).order_by(jobs.c.created_at.desc()).limit(1).with_for_update()
    ).one_or_none()
    if row is None or not (sending.waiter or row.ended_at or JobRequest.from_json(row.request).background):
        return None  # nobody would cancel it when this connection is left
    connection.execute(update(jobs).where(jobs.c.id == row.id).values(client_retry=sending.client_retry))
    return row

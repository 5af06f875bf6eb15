"""What endpoints are to be told: noted in the transaction of the end, claimed by any worker, tried again for days.

An attempt is claimed by one guarded UPDATE that puts the next one off: who dies in the middle of it needs no rescue.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, Select, delete, insert, select, update

from jobs.errors import InvalidRequest
from jobs.storage.database import Database
from jobs.storage.lists.owned_rows import OwnedRows, PageOf
from jobs.storage.schema import IS_DUE, webhook_deliveries, webhook_endpoints
from jobs.storage.webhooks.endpoints import job_endpoint_id

# Longer than any attempt takes, the resolving of the name included.
_CLAIM_SECONDS = 60.0
_FIRST_DELAY_SECONDS = 5.0
_DELAY_FACTOR = 3.0
_LONGEST_DELAY_SECONDS = 4 * 3600.0
_TRIED_SECONDS = 72 * 3600.0
_KEPT_SECONDS = 30 * 86_400.0
_REMOVED_AT_ONCE = 500

_deliveries = webhook_deliveries.c


class Attempt(NamedTuple):
    """One try to deliver, as a worker has claimed it: what to send where, signed with which secrets."""

    id: str
    number: int
    owner: str
    endpoint_id: str
    url: str
    event_type: str
    object_id: str
    created_at: float
    secrets: tuple[str, ...]


class Outcome(NamedTuple):
    """What an attempt was answered, or the code of the problem why it was not."""

    status_code: int | None = None
    problem: str | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the endpoint has it: only a 2xx says so."""
        return self.status_code is not None and 200 <= self.status_code < 300


def enqueue(connection: Connection, owner: str, event_type: str, object_id: str, url: str | None = None) -> None:
    """Note inside the caller's transaction that an owner's endpoints are to be told, and the `url` that a job names."""
    query = select(webhook_endpoints.c.id, webhook_endpoints.c.event_types).where(webhook_endpoints.c.owner == owner)
    wanted = {row.id for row in connection.execute(query) if event_type in row.event_types.split()}
    of_jobs = job_endpoint_id(owner)
    if not url:
        wanted.discard(of_jobs)
    for endpoint_id in wanted:
        row = _new_row(owner, endpoint_id, event_type, object_id)
        connection.execute(insert(webhook_deliveries).values({**row, "url": url if endpoint_id == of_jobs else None}))


def _new_row(owner: str, endpoint_id: str, event_type: str, object_id: str) -> dict[str, Any]:
    now = time.time()
    return {
        **{"id": f"wh_{secrets.token_hex(16)}", "owner": owner, "endpoint_id": endpoint_id},
        **{"event_type": event_type, "object_id": object_id, "created_at": now, "attempts": 0},
        **{"due_at": now, "expires_at": now + _TRIED_SECONDS},
    }


def status_of(row: Mapping[Any, Any]) -> str:
    """What a delivery is: `pending` while it is tried, then `delivered` or `failed`."""
    if row["due_at"] is not None:
        return "pending"
    return "failed" if row["delivered_at"] is None else "delivered"


class WebhookDeliveries:
    """The deliveries in the database. Another owner's does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = OwnedRows(database, webhook_deliveries, "Webhook delivery")

    def page(self, owner: str, page: PageOf) -> list[RowMapping]:
        """A page of the owner's deliveries. Raises NotFound when there is none with the id `page.after`."""
        return self._rows.page(owner, page)

    def get(self, owner: str, delivery_id: str) -> RowMapping:
        """One of the owner's. Raises NotFound."""
        return self._rows.get(owner, delivery_id)

    def try_once(self, owner: str, endpoint_id: str, event_type: str, object_id: str) -> str:
        """Have an endpoint of the owner told of something a single time. Returns the delivery's id."""
        row = _new_row(owner, endpoint_id, event_type, object_id)
        with self._database.write() as connection:
            connection.execute(insert(webhook_deliveries).values({**row, "expires_at": row["created_at"]}))
        return str(row["id"])

    def resend(self, owner: str, delivery_id: str) -> RowMapping:
        """Have a delivery tried again, at once and for as long as a new one.

        Raises NotFound; InvalidRequest when it is still being tried.
        """
        now = time.time()
        values = {"due_at": now, "expires_at": now + _TRIED_SECONDS, "delivered_at": None, "attempts": 0}
        over = update(webhook_deliveries).where(self._rows.is_owned(owner, delivery_id), _deliveries.due_at.is_(None))
        with self._database.write() as connection:
            is_changed = connection.execute(over.values(values)).rowcount
        row = self.get(owner, delivery_id)
        if not is_changed:
            raise InvalidRequest("This delivery is still being tried: it is sent again by itself.")
        return row

    def claim(self, busy: Collection[str]) -> Attempt | None:
        """Claim the attempt that is due for longest, of no owner and no endpoint that is `busy`; None without one."""
        while True:
            with self._database.read() as connection:
                row = connection.execute(_due(busy)).mappings().one_or_none()
            if row is None:
                return None
            guard = (_deliveries.id == row["id"], _deliveries.attempts == row["attempts"], IS_DUE)
            number = row["attempts"] + 1
            claimed = update(webhook_deliveries).where(*guard)
            with self._database.write() as connection:
                values = {"attempts": number, "due_at": time.time() + _CLAIM_SECONDS}
                if connection.execute(claimed.values(values)).rowcount:
                    return _attempt(row, number)

    def settle(self, attempt: Attempt, outcome: Outcome) -> None:
        """Note what became of an attempt: unless it was taken, it is tried again."""
        now = time.time()
        values = {
            **outcome._asdict(),
            "due_at": None if outcome.is_taken else now + _delay(attempt.number),
            "delivered_at": now if outcome.is_taken else None,
        }
        mine = update(webhook_deliveries).where(_deliveries.id == attempt.id, _deliveries.attempts == attempt.number)
        with self._database.write() as connection:
            connection.execute(mine.values(values))
            connection.execute(mine.where(_deliveries.due_at > _deliveries.expires_at).values(due_at=None))

    def forget_old(self) -> None:
        """Remove some of the deliveries that are over and a month old."""
        old = (_deliveries.created_at < time.time() - _KEPT_SECONDS, _deliveries.due_at.is_(None))
        some = select(_deliveries.id).where(*old).limit(_REMOVED_AT_ONCE)
        with self._database.read() as connection:
            ids = connection.execute(some).scalars().all()
        if ids:
            with self._database.write() as connection:
                connection.execute(delete(webhook_deliveries).where(_deliveries.id.in_(ids)))


def _due(busy: Collection[str]) -> Select[Any]:
    endpoint = webhook_endpoints.c
    columns = (endpoint.url.label("endpoint_url"), endpoint.secret, endpoint.old_secret, endpoint.old_secret_until)
    joined = select(webhook_deliveries, *columns).join(webhook_endpoints, endpoint.id == _deliveries.endpoint_id)
    idle = (_deliveries.owner.not_in(busy), _deliveries.endpoint_id.not_in(busy)) if busy else ()
    due = (IS_DUE, _deliveries.due_at <= time.time())
    return joined.where(*due, *idle).order_by(_deliveries.due_at).limit(1)


def _attempt(row: RowMapping, number: int) -> Attempt:
    signing = [row["secret"]]
    if row["old_secret"] and row["old_secret_until"] > time.time():
        signing.append(row["old_secret"])
    same = {name: row[name] for name in ("id", "owner", "endpoint_id", "event_type", "object_id", "created_at")}
    return Attempt(number=number, url=row["url"] or row["endpoint_url"], secrets=tuple(signing), **same)


def _delay(attempts: int) -> float:
    """The seconds until the next attempt after so many; at most a fifth more, so that not all come back at once."""
    seconds = _FIRST_DELAY_SECONDS * _DELAY_FACTOR ** min(attempts - 1, 20)
    return min(seconds, _LONGEST_DELAY_SECONDS) * random.uniform(1.0, 1.2)

"""The endpoints of owners, with the secrets that sign what goes there."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from jobs.errors import InvalidRequest
from jobs.storage.database import Database
from jobs.storage.lists.owned_rows import OwnedRows, PageOf
from jobs.storage.schema import webhook_endpoints
from jobs.webhooks.events import EVENT_TYPES
from jobs.webhooks.signature import hint_of, new_secret

# Of one owner: each end is told to all of them.
MOST_ENDPOINTS = 20
_OLD_SECRET_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an owner wants to be told of which events; `url` is empty for addresses that jobs name. Times in Unix s."""

    id: str
    name: str
    url: str
    event_types: Sequence[str]
    hint: str
    created_at: float
    updated_at: float

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Self:
        """The endpoint in a row; of its secret only the hint."""
        same = {name: row[name] for name in ("id", "name", "url", "created_at", "updated_at")}
        return cls(event_types=row["event_types"].split(), hint=hint_of(row["secret"]), **same)


class WebhookEndpoints:
    """The endpoints in the database. Another owner's does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = OwnedRows(database, webhook_endpoints, "Webhook endpoint")

    def create(self, owner: str, name: str, url: str, event_types: Sequence[str]) -> tuple[Endpoint, str]:
        """A new endpoint, and its secret, which is not shown again. Raises InvalidRequest when there are too many."""
        if len(self.page(owner, PageOf(MOST_ENDPOINTS))) >= MOST_ENDPOINTS:
            raise InvalidRequest(f"You have {MOST_ENDPOINTS} webhook endpoints, as many as you may: delete one first.")
        return self._insert(f"we_{secrets.token_hex(16)}", owner, name, url, event_types)

    def page(self, owner: str, page: PageOf) -> list[Endpoint]:
        """A page of the owner's endpoints. Raises NotFound when there is none with the id `page.after`."""
        return [Endpoint.of(row) for row in self._rows.page(owner, page, webhook_endpoints.c.url != "")]

    def get(self, owner: str, endpoint_id: str) -> Endpoint:
        """One of the owner's. Raises NotFound."""
        endpoint = Endpoint.of(self._rows.get(owner, endpoint_id))
        if not endpoint.url:
            raise self._rows.missing(endpoint_id)
        return endpoint

    def change(self, owner: str, endpoint_id: str, values: Mapping[str, Any]) -> Endpoint:
        """Give an endpoint another `name`, `url` or `event_types`. Raises NotFound."""
        self.get(owner, endpoint_id)
        stored = dict(values)
        if "event_types" in stored:
            stored["event_types"] = " ".join(stored["event_types"])
        self._update(owner, endpoint_id, stored)
        return self.get(owner, endpoint_id)

    def delete(self, owner: str, endpoint_id: str) -> None:
        """Remove an endpoint, with all deliveries to it. Raises NotFound."""
        self.get(owner, endpoint_id)
        with self._database.write() as connection:
            connection.execute(delete(webhook_endpoints).where(self._rows.is_owned(owner, endpoint_id)))

    def rotate(self, owner: str, endpoint_id: str, *, keep_old: bool) -> str:
        """A new secret for an endpoint; with `keep_old` the old one signs, too, for a day. Raises NotFound."""
        self.get(owner, endpoint_id)
        return self._rotate(owner, endpoint_id, keep_old=keep_old)

    def _rotate(self, owner: str, endpoint_id: str, *, keep_old: bool) -> str:
        secret = new_secret()
        old = {
            "old_secret": webhook_endpoints.c.secret if keep_old else None,
            "old_secret_until": time.time() + _OLD_SECRET_SECONDS if keep_old else None,
        }
        self._update(owner, endpoint_id, {"secret": secret, **old})
        return secret

    def job_secret(self, owner: str) -> Endpoint | None:
        """What signs deliveries to addresses that jobs name; None when the owner has no secret for them yet."""
        query = select(webhook_endpoints).where(self._rows.is_owned(owner, job_endpoint_id(owner)))
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return Endpoint.of(row) if row else None

    def new_job_secret(self, owner: str, *, keep_old: bool) -> str:
        """A new secret for addresses that jobs name; with `keep_old` one from before signs, too, for a day."""
        if self.job_secret(owner) is None:
            try:
                return self._insert(job_endpoint_id(owner), owner, "", "", EVENT_TYPES)[1]
            except IntegrityError:
                pass  # another request has made it meanwhile
        return self._rotate(owner, job_endpoint_id(owner), keep_old=keep_old)

    def _insert(
        self, endpoint_id: str, owner: str, name: str, url: str, event_types: Sequence[str]
    ) -> tuple[Endpoint, str]:
        now, secret = time.time(), new_secret()
        row = {
            **{"id": endpoint_id, "owner": owner, "name": name, "url": url, "event_types": " ".join(event_types)},
            **{"secret": secret, "created_at": now, "updated_at": now},
        }
        with self._database.write() as connection:
            connection.execute(insert(webhook_endpoints).values(row))
        return Endpoint.of(row), secret

    def _update(self, owner: str, endpoint_id: str, values: Mapping[str, Any]) -> None:
        changed = update(webhook_endpoints).where(self._rows.is_owned(owner, endpoint_id))
        with self._database.write() as connection:
            if not connection.execute(changed.values(updated_at=time.time(), **values)).rowcount:
                raise self._rows.missing(endpoint_id)


def job_endpoint_id(owner: str) -> str:
    """The id of the owner's row without a URL: there is at most one."""
    return f"wj_{hashlib.sha256(owner.encode()).hexdigest()[:32]}"

"""Shares: each is a link to the text of one job, good until it expires, is taken back, or the job is deleted."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from jobs.errors import InvalidRequest, JobNotFound
from jobs.storage.database import Database
from jobs.storage.lists.owned_rows import OwnedRows, PageOf
from jobs.storage.shares.tables import shares

# Of one job.
MOST_SHARES = 100
DAY_SECONDS = 86_400.0
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Share:
    """A link to a job's text, without its token. Times in Unix seconds."""

    id: str
    owner: str
    job_id: str
    created_at: float
    expires_at: float

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Self:
        """The share in a row."""
        return cls(**{name: row[name] for name in ("id", "owner", "job_id", "created_at", "expires_at")})


class Shares:
    """The shares in the database. Another owner's does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = OwnedRows(database, shares, "Share")

    def create(self, owner: str, job_id: str, days: float) -> tuple[Share, str]:
        """A share of the owner's job, and its token, which cannot be read again. Those that have expired are removed.

        Raises InvalidRequest when the job has as many as it may, and JobNotFound when it was deleted meanwhile.
        """
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), time.time()
        share = Share(f"share_{secrets.token_hex(16)}", owner, job_id, now, now + days * DAY_SECONDS)
        values = {"id": share.id, "owner": owner, "job_id": job_id, "created_at": now, "expires_at": share.expires_at}
        try:
            with self._database.write() as connection:
                connection.execute(delete(shares).where(shares.c.expires_at < now))
                known = select(func.count()).select_from(shares).where(shares.c.job_id == job_id)
                if connection.execute(known).scalar_one() >= MOST_SHARES:
                    raise InvalidRequest(
                        f"This response has {MOST_SHARES} shares, as many as it may: delete one first."
                    )
                connection.execute(insert(shares).values(**values, sha256=_digest(token)))
        except IntegrityError as error:
            raise JobNotFound(job_id) from error
        return share, token

    def page(self, owner: str, page: PageOf, job_id: str | None = None) -> list[Share]:
        """A page of the owner's shares that are good, of one job if it is named. Raises NotFound."""
        conditions = [shares.c.expires_at >= time.time()]
        if job_id is not None:
            conditions.append(shares.c.job_id == job_id)
        return [Share.of(row) for row in self._rows.page(owner, page, *conditions)]

    def delete(self, owner: str, share_id: str) -> None:
        """Take a share back: its link leads nowhere from now on. Raises NotFound."""
        with self._database.write() as connection:
            if not connection.execute(delete(shares).where(self._rows.is_owned(owner, share_id))).rowcount:
                raise self._rows.missing(share_id)

    def find(self, token: str) -> Share | None:
        """The share of a token; None when there is none, or none any more."""
        good = select(shares).where(shares.c.sha256 == _digest(token), shares.c.expires_at >= time.time())
        with self._database.read() as connection:
            row = connection.execute(good).mappings().one_or_none()
        return Share.of(row) if row else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

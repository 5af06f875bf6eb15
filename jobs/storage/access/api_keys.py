"""API keys: shown once, kept as their SHA-256, each belonging to an owner."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select, update

from jobs.storage.database import Database
from jobs.storage.schema import keys

_PREFIX = "sk-penstock-"
_COLUMNS = (keys.c.id, keys.c.owner, keys.c.created_at, keys.c.revoked_at)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key. Times are Unix seconds."""

    id: str
    owner: str
    created_at: float
    revoked_at: float | None


class ApiKeys:
    """The keys in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, owner: str) -> str:
        """A new secret for this owner. It cannot be shown again."""
        secret = _PREFIX + secrets.token_urlsafe(32)
        row = {
            "id": f"key_{secrets.token_hex(6)}",
            "owner": owner,
            "sha256": _digest(secret),
            "created_at": time.time(),
        }
        with self._database.write() as connection:
            connection.execute(insert(keys).values(row))
        return secret

    def revoke(self, key_id: str) -> bool:
        """End a key; false when there is no such key that is still good."""
        good = update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
        with self._database.write() as connection:
            return connection.execute(good.values(revoked_at=time.time())).rowcount > 0

    def list(self) -> Sequence[ApiKey]:
        """All keys, oldest first, without their secrets."""
        with self._database.read() as connection:
            rows = connection.execute(select(*_COLUMNS).order_by(keys.c.created_at)).all()
        return [ApiKey(*row) for row in rows]

    def find(self, secret: str) -> ApiKey | None:
        """The key that this is; None when it is none, or revoked.

        Looked up by its hash, so that the time it takes tells nothing about any key.
        """
        good = select(*_COLUMNS).where(keys.c.sha256 == _digest(secret), keys.c.revoked_at.is_(None))
        with self._database.read() as connection:
            row = connection.execute(good).one_or_none()
        return ApiKey(*row) if row else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

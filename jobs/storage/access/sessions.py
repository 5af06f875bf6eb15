"""Sessions of browsers that have signed in: each stands for a key until it is ended, expires, or the key is revoked."""

from __future__ import annotations

import hashlib
import secrets
import time

from sqlalchemy import delete, insert, select

from jobs.storage.access.api_keys import ApiKey
from jobs.storage.database import Database
from jobs.storage.schema import keys, sessions

LIFETIME_SECONDS = 31 * 86_400.0
_TOKEN_BYTES = 32


class Sessions:
    """The sessions in the database; their tokens are kept hashed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, key_id: str) -> str:
        """The token of a new session for a key. Sessions that have expired are removed on the way."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        now = time.time()
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.created_at < now - LIFETIME_SECONDS))
            connection.execute(insert(sessions).values(sha256=_digest(token), key_id=key_id, created_at=now))
        return token

    def end(self, token: str) -> None:
        """Forget a session, wherever its cookie still is."""
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.sha256 == _digest(token)))

    def key_of(self, token: str) -> ApiKey | None:
        """The key of a session; None when there is no such session, or its key was revoked."""
        current = (
            select(keys.c.id, keys.c.owner, keys.c.created_at, keys.c.revoked_at)
            .join(sessions, sessions.c.key_id == keys.c.id)
            .where(
                sessions.c.sha256 == _digest(token),
                sessions.c.created_at >= time.time() - LIFETIME_SECONDS,
                keys.c.revoked_at.is_(None),
            )
        )
        with self._database.read() as connection:
            row = connection.execute(current).one_or_none()
        return ApiKey(*row) if row else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

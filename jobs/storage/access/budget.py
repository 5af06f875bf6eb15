"""What an owner has waiting, and has spent today: asked before a job is stored, told when one ends."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from jobs.errors import LimitReached
from jobs.limits import HIGHEST_LIMIT, OwnerLimits
from jobs.storage.database import Database
from jobs.storage.queue.lines import TIERS
from jobs.storage.schema import IS_QUEUED, jobs, token_days

DAY_SECONDS = 86_400
# A server that does not count, or whose answer was cut: about so many characters are a token.
_CHARACTERS_OF_A_TOKEN = 4
# Nobody knows when a job will end; a client that asks again after so long costs little.
_QUEUE_SECONDS = 5.0
_QUEUE_LOCK = 0x70656E71


class TokenBudget:
    """The tokens that owners have used today."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def spent(self, owner: str) -> int:
        """Input and output tokens of the owner's jobs that ended today (UTC)."""
        today = select(token_days.c.tokens).where(token_days.c.owner == owner, token_days.c.day == _today())
        with self._database.read() as connection:
            return int(connection.execute(today).scalar_one_or_none() or 0)


def check_queue(connection: Connection, owner: str, limits: OwnerLimits) -> None:
    """Raises LimitReached when an owner has as many jobs waiting as may be, inside the transaction that adds one."""
    most = limits.jobs_queued
    if not most:
        return
    if connection.dialect.name == "postgresql":  # SQLite has one writer
        lock = func.pg_advisory_xact_lock(_QUEUE_LOCK, func.hashtext(owner))
        connection.execute(select(lock))
    # The tiers are named, so that the index `jobs_in_line` finds the owner behind them.
    waiting = select(text("1")).where(IS_QUEUED, jobs.c.tier.in_(TIERS), jobs.c.owner == owner)
    count = connection.execute(select(func.count()).select_from(waiting.limit(most).subquery())).scalar_one()
    if count >= most:
        raise LimitReached("jobs_queued", most, retry_after=_QUEUE_SECONDS)


def spend(connection: Connection, owner: str, usage: Mapping[str, Any] | None, written: str) -> None:
    """Count an ended job's tokens to its owner's day, inside the transaction that ends it.

    Without a server's own count, `written` is what it is estimated by.
    """
    counted = [(usage or {}).get(name) or 0 for name in ("input_tokens", "output_tokens")]
    tokens = min(sum(counted) or len(written) // _CHARACTERS_OF_A_TOKEN, HIGHEST_LIMIT)
    if tokens <= 0:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = insert(token_days).values(owner=owner, day=_today(), tokens=tokens)
    total = {"tokens": token_days.c.tokens + row.excluded.tokens}
    connection.execute(row.on_conflict_do_update(index_elements=["owner", "day"], set_=total))


def _today() -> int:
    return int(time.time() // DAY_SECONDS)

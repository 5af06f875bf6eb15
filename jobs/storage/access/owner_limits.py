"""The limits of each owner: those of the settings, where the owner's row says nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from jobs.limits import LIMIT_NAMES, OwnerLimits
from jobs.storage.database import Database
from jobs.storage.schema import owner_limits

# Only owners with limits of their own have a row: all of them are read at once, now and then.
_FRESH_SECONDS = 1.0
# While the database does not answer, whoever asks is to have time left for the error of what comes then.
_READ_SECONDS = 1.0

OwnOverrides = Mapping[str, int]


class LimitRegistry:
    """The owners' limits, as they were at most a second ago."""

    def __init__(self, database: Database, default: OwnerLimits) -> None:
        self._database = database
        self._default = default
        self._limits: Mapping[str, OwnerLimits] = {}
        self._read_at: float | None = None
        self._lock = threading.Lock()

    def of(self, owner: str) -> OwnerLimits:
        """The limits of an owner. While the database is away, those that were read last."""
        return self._current().get(owner, self._default)

    def limits_running(self) -> bool:
        """Whether any owner may run only so many jobs at once."""
        return any(limits.jobs_running for limits in (self._default, *self._current().values()))

    def overrides(self, *, seconds: float | None = None) -> dict[str, OwnOverrides]:
        """What the owners' rows say, by owner; `seconds` bounds the reading."""
        with self._database.read(seconds=seconds) as connection:
            rows = connection.execute(select(owner_limits)).mappings().all()
        return {row["owner"]: {name: row[name] for name in LIMIT_NAMES if row[name] is not None} for row in rows}

    def change(self, owner: str, changes: Mapping[str, int | None]) -> OwnOverrides:
        """Change some of an owner's limits, None for as the settings say; all that are the owner's own then."""
        with self._database.write() as connection:
            mine = owner_limits.c.owner == owner
            row = connection.execute(select(owner_limits).where(mine).with_for_update()).mappings().one_or_none()
            limits = {**(row or {}), **changes, "owner": owner}
            connection.execute(delete(owner_limits).where(mine))
            own = {name: limits[name] for name in LIMIT_NAMES if limits.get(name) is not None}
            if own:
                connection.execute(insert(owner_limits).values(owner=owner, **own))
        self._read_at = None
        return own

    def _current(self) -> Mapping[str, OwnerLimits]:
        with self._lock:
            if self._read_at is None or time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._read_at = time.monotonic()
                try:
                    found = self.overrides(seconds=_READ_SECONDS).items()
                    self._limits = {owner: replace(self._default, **own) for owner, own in found}
                except SQLAlchemyError:
                    pass  # whoever asked needs the database anyway, and says so
            return self._limits

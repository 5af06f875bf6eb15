"""Where one job's row and log are: in a database and a Redis, or in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import orjson
import redis
from sqlalchemy import select

from jobs.job import Job
from jobs.storage.schema import checkpoints, jobs
from jobs.transport.event_log import EventLog, channel
from tests.support.job_factory import JobFactory

Row = Mapping[str, Any]
Items = Sequence[Mapping[str, Any]]

# What a test looks at of a row.
COLUMNS = (
    "status",
    "attempt",
    "rescues",
    "seq_mark",
    "index_mark",
    "worker",
    "cancel_requested_at",
    "stop_requested_at",
    "progress",
    "response",
)


class Storage(Protocol):
    """One accepted job. `rows` is what a worker may do to it, `store` what the web may, `log` its event log."""

    job: Job
    rows: Any
    store: Any
    log: Any

    def row(self) -> Row | None:
        """The job's COLUMNS; None when it was deleted."""

    def checkpoints(self) -> dict[int, Items]:
        """The items of each finished section."""

    def fence(self) -> int:
        """The attempt that may append, 0 for none."""

    def save(self) -> object:
        """Redis as it is now."""

    def roll_back(self, saved: Any) -> None:
        """Redis comes back as it was then."""

    def lose(self, *names: str) -> None:
        """Redis comes back without the job's `log`, its `fence`, or both."""


class RealStorage:
    """A job in a real database and a real Redis."""

    def __init__(self, factory: JobFactory, client: redis.Redis) -> None:
        self.job = factory.accept()
        self.rows = factory.attempts
        self.store = factory.store
        self.log = EventLog(client)
        self._database = factory.database
        self._client = cast(Any, client)
        self._keys = {name: f"{channel(self.job.id)}:{name}" for name in ("log", "fence")}

    def row(self) -> Row | None:
        query = select(*(jobs.c[name] for name in COLUMNS)).where(jobs.c.id == self.job.id)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return dict(row) if row else None

    def checkpoints(self) -> dict[int, Items]:
        query = select(checkpoints).where(checkpoints.c.job_id == self.job.id)
        with self._database.read() as connection:
            return {line.section: orjson.loads(line.items) for line in connection.execute(query)}

    def fence(self) -> int:
        return int(self._client.get(self._keys["fence"]) or 0)

    def save(self) -> dict[str, bytes | None]:
        return {name: self._client.dump(key) for name, key in self._keys.items()}

    def roll_back(self, saved: Mapping[str, bytes | None]) -> None:
        self._client.delete(*self._keys.values())
        for name, dump in saved.items():
            if dump is not None:
                self._client.restore(self._keys[name], 0, dump)

    def lose(self, *names: str) -> None:
        self._client.delete(*(self._keys[name] for name in names))

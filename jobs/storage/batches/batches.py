"""The batches of owners, as those who ask for them see them. What workers do with them is in work.py beside."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Row, RowMapping, Select, case, func, insert, select, update

from jobs.errors import InvalidRequest
from jobs.job import Status
from jobs.storage.batches.tables import USAGE, batches
from jobs.storage.database import Database
from jobs.storage.lists.owned_rows import OwnedRows, PageOf
from jobs.storage.schema import jobs

# The states of a batch, as OpenAI names them.
VALIDATING, IN_PROGRESS, CANCELLING = "validating", "in_progress", "cancelling"
COMPLETED, FAILED, EXPIRED, CANCELLED = "completed", "failed", "expired", "cancelled"
# Those that a worker has to do something about.
OPEN = (VALIDATING, IN_PROGRESS, CANCELLING)
WINDOW_SECONDS = 86_400.0
_LINES_AT_ONCE = 50

# Of an ended line: whether it is in the file of outputs, else in that of errors.
ANSWERED = (Status.COMPLETED, Status.INCOMPLETE)
OUTPUT, ERROR = "output", "error"
STATUSES_IN = {OUTPUT: ANSWERED, ERROR: (Status.FAILED, Status.CANCELLED)}


class Counts(NamedTuple):
    """How many lines of a batch there are, were answered, and were not."""

    total: int
    completed: int
    failed: int


class Line(NamedTuple):
    """An ended job of a batch."""

    job_id: str
    custom_id: str
    status: Status
    response: dict[str, Any]


class Batches:
    """The batches in the database. Another owner's does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = OwnedRows(database, batches, "Batch")

    def create(self, owner: str, values: Mapping[str, Any]) -> RowMapping:
        """A new batch: its `file_id`, `endpoint`, `metadata` and the `model` of lines that name none."""
        now = time.time()
        row = {
            **{"id": f"batch_{secrets.token_hex(16)}", "owner": owner, "status": VALIDATING, "created_at": now},
            **{"expires_at": now + WINDOW_SECONDS, "total": 0, "stored_lines": 0, "claimed_until": 0.0},
            **dict.fromkeys(USAGE, 0),
            **values,
        }
        with self._database.write() as connection:
            connection.execute(insert(batches).values(row))
        return self.get(owner, row["id"])

    def get(self, owner: str, batch_id: str) -> RowMapping:
        """One of the owner's. Raises NotFound."""
        return self._rows.get(owner, batch_id)

    def page(self, owner: str, page: PageOf) -> list[RowMapping]:
        """A page of the owner's batches. Raises NotFound when there is none with the id `page.after`."""
        return self._rows.page(owner, page)

    def cancel(self, owner: str, batch_id: str) -> RowMapping:
        """Ask for the end of a batch; what is finished is kept. Raises NotFound; InvalidRequest when it has ended."""
        mine = update(batches).where(
            self._rows.is_owned(owner, batch_id), batches.c.status.in_((VALIDATING, IN_PROGRESS))
        )
        with self._database.write() as connection:
            connection.execute(mine.values(status=CANCELLING, cancelling_at=time.time()))
        row = self.get(owner, batch_id)
        if row["status"] not in (CANCELLING, CANCELLED):
            raise InvalidRequest(f"Cannot cancel a batch that is {row['status']}.")
        return row

    def counts(self, rows: Sequence[RowMapping]) -> dict[str, Counts]:
        """How far batches are, by id."""
        answered = func.sum(case((jobs.c.status.in_(ANSWERED), 1), else_=0))
        failed = func.sum(case((jobs.c.status == Status.FAILED, 1), else_=0))
        ids = [row["id"] for row in rows]
        query = select(jobs.c.batch_id, answered, failed).where(jobs.c.batch_id.in_(ids)).group_by(jobs.c.batch_id)
        with self._database.read() as connection:
            found = {batch_id: (int(good), int(bad)) for batch_id, good, bad in connection.execute(query)}
        return {row["id"]: Counts(row["total"], *found.get(row["id"], (0, 0))) for row in rows}

    def lines(self, batch_id: str, kind: str) -> Iterator[Line]:
        """The ended jobs of a batch that stand in its file of this kind, read some at a time."""
        columns = (jobs.c.id, jobs.c.custom_id, jobs.c.status, jobs.c.response)
        query = select(*columns).where(jobs.c.batch_id == batch_id).order_by(jobs.c.id).limit(_LINES_AT_ONCE)
        for status in STATUSES_IN[kind]:  # one by one, so that each page is read along the index
            last = ""
            while rows := self._read(query.where(jobs.c.status == status, jobs.c.id > last)):
                for row in rows:
                    yield Line(row.id, row.custom_id, status, orjson.loads(row.response))
                last = rows[-1].id

    def _read(self, query: Select[Any]) -> Sequence[Row[*tuple[Any, ...]]]:
        with self._database.read() as connection:
            return connection.execute(query).all()

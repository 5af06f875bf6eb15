"""What workers do with batches, step by step; each step is guarded, so two workers at once do no harm."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, RowMapping, and_, func, insert, select, update

from jobs.job import Status
from jobs.requests.batch_line import BatchLine
from jobs.storage.acceptance import Sending, new_row
from jobs.storage.batches import batches as names
from jobs.storage.batches.batches import OPEN, STATUSES_IN
from jobs.storage.batches.files import add_output
from jobs.storage.batches.tables import batches
from jobs.storage.database import Database
from jobs.storage.ending import end_unstarted
from jobs.storage.images.kept_images import keep_images
from jobs.storage.lists.labels import add_labels
from jobs.storage.queue.held import released_values
from jobs.storage.rows import job_of, select_jobs
from jobs.storage.schema import jobs
from jobs.storage.webhooks.deliveries import enqueue

# A claim is renewed with every slice; one that is not is another worker's after so long.
_CLAIM_SECONDS = 60.0
_ENDED_AT_ONCE = 50
# Words that the worker's periodic duty indexes later: a long batch is stored in seconds.
_TO_INDEX = "+"
_RUNS_OR_WAITS = jobs.c.status.in_((Status.QUEUED, Status.IN_PROGRESS))


class BatchWork:
    """The workers' side of batches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self) -> Sequence[RowMapping]:
        """All batches that have not ended, the oldest first."""
        with self._database.read() as connection:
            query = select(batches).where(batches.c.status.in_(OPEN)).order_by(batches.c.created_at)
            return connection.execute(query).mappings().all()

    def claim(self, batch: RowMapping) -> bool:
        """Make its lines this worker's to read, for a minute; false when another worker reads them."""
        now = time.time()
        free = and_(_is(batch, names.VALIDATING), batches.c.claimed_until < now)
        with self._database.write() as connection:
            claimed = update(batches).where(free).values(claimed_until=now + _CLAIM_SECONDS)
            return connection.execute(claimed).rowcount > 0

    def renew(self, batch: RowMapping) -> bool:
        """Keep the claim; false when the batch is to be read no further."""
        with self._database.write() as connection:
            mine = update(batches).where(_is(batch, names.VALIDATING))
            return connection.execute(mine.values(claimed_until=time.time() + _CLAIM_SECONDS)).rowcount > 0

    def refuse(self, batch: RowMapping, errors: Sequence[Mapping[str, Any]]) -> None:
        """End a batch whose file cannot be run, with what is wrong with its lines."""
        values = {"status": names.FAILED, "failed_at": time.time(), "errors": orjson.dumps(errors).decode()}
        with self._database.write() as connection:
            if connection.execute(update(batches).where(_is(batch, names.VALIDATING)).values(values)).rowcount:
                enqueue(connection, batch["owner"], "batch.failed", batch["id"])

    def store(self, batch: RowMapping, stored: int, lines: Sequence[BatchLine]) -> bool:
        """Store the jobs of the lines behind the first `stored` ones; false when another worker has, or none is to."""
        sending = Sending(batch["owner"], "")
        rows = [
            {
                **new_row(sending, line.request),
                "batch_id": batch["id"],
                "custom_id": line.custom_id,
                "search": _TO_INDEX,
            }
            for line in lines
        ]
        guard = and_(_is(batch, names.VALIDATING), batches.c.stored_lines == stored)
        values = {"stored_lines": stored + len(rows), "claimed_until": time.time() + _CLAIM_SECONDS}
        with self._database.write() as connection:
            if not connection.execute(update(batches).where(guard).values(values)).rowcount:
                return False
            connection.execute(insert(jobs), rows)  # invariant 1
            add_labels(connection, rows)
            for row, line in zip(rows, lines, strict=True):
                keep_images(connection, batch["owner"], row["id"], list(line.request.images), line.images)
        return True

    def begin(self, batch: RowMapping, total: int) -> None:
        """All lines are jobs now."""
        values = {"status": names.IN_PROGRESS, "in_progress_at": time.time(), "total": total}
        with self._database.write() as connection:
            connection.execute(update(batches).where(_is(batch, names.VALIDATING)).values(values))

    def expire(self, batch: RowMapping) -> None:
        """Have a batch ended whose time is over; what is finished is kept."""
        open_still = and_(batches.c.id == batch["id"], batches.c.status.in_((names.VALIDATING, names.IN_PROGRESS)))
        with self._database.write() as connection:
            connection.execute(update(batches).where(open_still).values(status=names.CANCELLING))

    def cancel_some(self, batch: RowMapping) -> bool:
        """End some of its jobs that wait, and ask for the end of those that run; true when that were all."""
        mine = and_(_left(batch), jobs.c.cancel_requested_at.is_(None))
        with self._database.write() as connection:
            rows = connection.execute(select_jobs().where(mine).limit(_ENDED_AT_ONCE)).mappings().all()
            for row in rows:
                if row["attempt"] or not end_unstarted(connection, job_of(row)):
                    wish = update(jobs).where(jobs.c.id == row["id"], jobs.c.ended_at.is_(None))
                    connection.execute(wish.values(cancel_requested_at=time.time(), **released_values()))
        return len(rows) < _ENDED_AT_ONCE

    def finish(self, batch: RowMapping) -> None:
        """End a batch none of whose jobs runs or waits: its files, and a webhook, in one transaction."""
        now = time.time()
        status = names.COMPLETED
        if batch["status"] == names.CANCELLING:
            status = names.CANCELLED if batch["cancelling_at"] else names.EXPIRED
        with self._database.write() as connection:
            values = {"status": status, "finalizing_at": now, f"{status}_at": now}
            if not connection.execute(update(batches).where(_is(batch, batch["status"])).values(values)).rowcount:
                return
            made = {}
            for kind, statuses in STATUSES_IN.items():
                size = select(func.sum(func.length(jobs.c.response)))
                mine = (jobs.c.batch_id == batch["id"], jobs.c.status.in_(statuses))
                if (found := connection.execute(size.where(*mine)).scalar_one()) is not None:
                    made[f"{kind}_file_id"] = add_output(connection, batch, kind, int(found))
            if made:
                connection.execute(update(batches).where(batches.c.id == batch["id"]).values(made))
            enqueue(connection, batch["owner"], f"batch.{status}", batch["id"])

    def is_over(self, batch: RowMapping) -> bool:
        """Whether none of its jobs runs or waits."""
        with self._database.read() as connection:
            return connection.execute(select(jobs.c.id).where(_left(batch)).limit(1)).first() is None


def _is(batch: RowMapping, status: str) -> ColumnElement[bool]:
    return and_(batches.c.id == batch["id"], batches.c.status == status)


def _left(batch: RowMapping) -> ColumnElement[bool]:
    return and_(jobs.c.batch_id == batch["id"], _RUNS_OR_WAITS)

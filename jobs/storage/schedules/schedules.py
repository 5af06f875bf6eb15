"""Schedules in the database. A run is a job with a key of its own, so two workers that make it at once make one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from sqlalchemy import RowMapping, case, delete, func, insert, select, tuple_, update

from jobs.errors import InvalidRequest
from jobs.job import Status
from jobs.schedules.timing import next_times
from jobs.storage.database import Database
from jobs.storage.lists.owned_rows import OwnedRows, PageOf
from jobs.storage.schedules.tables import schedules
from jobs.storage.schema import jobs

MOST_SCHEDULES = 100
# So many runs in a row have failed: the schedule is paused.
MOST_FAILURES = 5
BY_OWNER, BY_FAILURES = "owner", "failures"
_ROWS_AT_ONCE = 20


class Schedules:
    """The schedules of all owners. Another owner's does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = OwnedRows(database, schedules, "Schedule")

    def create(self, owner: str, values: Mapping[str, Any], request: Mapping[str, Any]) -> RowMapping:
        """A new schedule of name, cron, timezone and model. Raises InvalidRequest: one has as many as one may."""
        now, schedule_id = time.time(), f"sched_{secrets.token_hex(16)}"
        due_at = next_times(values["cron"], values["timezone"], now)[0]
        with self._database.write() as connection:
            known = select(func.count()).select_from(schedules).where(schedules.c.owner == owner)
            if connection.execute(known).scalar_one() >= MOST_SCHEDULES:
                raise InvalidRequest(f"You have {MOST_SCHEDULES} schedules, as many as may be: delete one first.")
            row = {"id": schedule_id, "owner": owner, "created_at": now, "due_at": due_at, **values}
            connection.execute(insert(schedules).values(**row, request=orjson.dumps(request).decode()))
        return self.get(owner, schedule_id)

    def get(self, owner: str, schedule_id: str) -> RowMapping:
        """One schedule. Raises NotFound."""
        return self._rows.get(owner, schedule_id)

    def page(self, owner: str, page: PageOf) -> list[RowMapping]:
        """A page of the owner's schedules. Raises NotFound."""
        return self._rows.page(owner, page)

    def delete(self, owner: str, schedule_id: str) -> None:
        """Remove a schedule; the jobs of its runs stay. Raises NotFound."""
        with self._database.write() as connection:
            if not connection.execute(delete(schedules).where(self._rows.is_owned(owner, schedule_id))).rowcount:
                raise self._rows.missing(schedule_id)

    def pause(self, owner: str, schedule_id: str) -> RowMapping:
        """Have it make no more runs. Raises NotFound."""
        self._change(owner, schedule_id, paused=BY_OWNER)
        return self.get(owner, schedule_id)

    def resume(self, owner: str, schedule_id: str) -> RowMapping:
        """Have it go on with its next time, and count failures anew. Raises NotFound."""
        row = self.get(owner, schedule_id)
        due_at = next_times(row["cron"], row["timezone"], time.time())[0]
        self._change(owner, schedule_id, paused=None, failures=0, problem=None, due_at=due_at)
        return self.get(owner, schedule_id)

    def ran_now(self, owner: str, schedule_id: str, job_id: str) -> None:
        """A run that was asked for beside its times: its end counts as those do. Raises NotFound."""
        self._change(owner, schedule_id, job_id=job_id, counted=0)

    def _change(self, owner: str, schedule_id: str, **values: Any) -> None:
        with self._database.write() as connection:
            changed = connection.execute(
                update(schedules).where(self._rows.is_owned(owner, schedule_id)).values(**values)
            )
        if not changed.rowcount:
            raise self._rows.missing(schedule_id)

    def due(self) -> Iterator[RowMapping]:
        """Those whose time has come, the longest ago first. One that cannot be run yet keeps none behind it waiting."""
        ripe = select(schedules).where(schedules.c.due_at <= time.time(), schedules.c.paused.is_(None))
        age = tuple_(schedules.c.due_at, schedules.c.id)
        ripe = ripe.order_by(schedules.c.due_at, schedules.c.id).limit(_ROWS_AT_ONCE)
        last = (0.0, "")
        while True:
            with self._database.read() as connection:
                rows = connection.execute(ripe.where(age > tuple_(*last))).mappings().all()
            if not rows:
                return
            yield from rows
            last = (rows[-1]["due_at"], rows[-1]["id"])

    def ran(self, row: RowMapping, job_id: str) -> None:
        """Its run is this job: it goes on with its next time from now on, so those that were missed are one."""
        self._go_on(row, job_id=job_id, counted=0)

    def could_not_run(self, row: RowMapping, problem: str) -> None:
        """Its request cannot be run, which counts as a failure."""
        self._go_on(row, problem=problem, **_one_more_failure())

    def _go_on(self, row: RowMapping, **values: Any) -> None:
        due_at = next_times(row["cron"], row["timezone"], time.time())[0]
        same = (schedules.c.id == row["id"], schedules.c.due_at == row["due_at"])
        with self._database.write() as connection:
            connection.execute(update(schedules).where(*same).values(due_at=due_at, **values))

    def count_ends(self) -> None:
        """Count the ends of last runs: one that has failed adds to the failures in a row, any other ends the row."""
        ended = (
            select(schedules.c.id, jobs.c.id.label("job_id"), jobs.c.status)
            .join(jobs, jobs.c.id == schedules.c.job_id)
            .where(schedules.c.counted == 0, jobs.c.ended_at.is_not(None))
            .limit(_ROWS_AT_ONCE)
        )
        with self._database.read() as connection:
            rows = connection.execute(ended).all()
        for schedule_id, job_id, status in rows:
            changes = _one_more_failure() if status == Status.FAILED else {"failures": 0, "problem": None}
            same = (schedules.c.id == schedule_id, schedules.c.job_id == job_id, schedules.c.counted == 0)
            with self._database.write() as connection:
                connection.execute(update(schedules).where(*same).values(counted=1, **changes))


def _one_more_failure() -> dict[str, Any]:
    is_last = schedules.c.failures + 1 >= MOST_FAILURES
    return {"failures": schedules.c.failures + 1, "paused": case((is_last, BY_FAILURES), else_=schedules.c.paused)}

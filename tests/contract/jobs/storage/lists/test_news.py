"""What an owner is told of: their own jobs that have ended or wait for them, since a time."""

from __future__ import annotations

import secrets
import time
from typing import Any

from sqlalchemy import update

from jobs.job import Status
from jobs.storage.schema import jobs
from tests.support.job_factory import JobFactory, accepted


def test_an_owner_is_told_of_ends_and_of_what_waits(job_factory: JobFactory) -> None:
    owner, now = secrets.token_hex(8), time.time()
    values: dict[str, dict[str, Any]] = {
        "completed": {"status": Status.COMPLETED, "ended_at": now},
        "failed": {"status": Status.FAILED, "ended_at": now},
        "held": {"status": Status.IN_PROGRESS, "held_at": now},
        "earlier": {"status": Status.COMPLETED, "ended_at": now - 100},
        "held earlier": {"status": Status.IN_PROGRESS, "held_at": now - 100},
        "cancelled": {"status": Status.CANCELLED, "ended_at": now},
        "of a batch": {"status": Status.COMPLETED, "ended_at": now, "batch_id": "batch_1"},
        "running": {"status": Status.IN_PROGRESS},
    }
    ids = {}
    for name, columns in values.items():
        ids[name] = job_factory.store.accept(owner, accepted()).id
        with job_factory.database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id == ids[name]).values(columns))
    lists = job_factory.store.lists
    told = {job.id for job in lists.news(owner, now - 50, limit=9)}
    assert told == {ids["completed"], ids["failed"], ids["held"]}
    assert len(lists.news(owner, 0, limit=9)) == 5
    assert len(lists.news(owner, 0, limit=1)) == 2
    assert lists.news("another", 0, limit=9) == []

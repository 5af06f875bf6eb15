"""What a page about the whole system shows: queues, workers, the last hour. Of all owners at once, so no texts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import orjson
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from jobs.errors import InvalidRequest
from jobs.job import Status
from jobs.requests.job_request import FLEX
from jobs.storage.database import Database
from jobs.storage.schema import HAS_ENDED, IS_QUEUED, IS_RUNNING, jobs, paused, workers

# By tier.
QUEUES = ("default", FLEX)
_MINUTES = 60


class Queue(NamedTuple):
    """A tier: how many of its jobs wait and run, since when the oldest waits and the tier is paused (Unix s)."""

    name: str
    depth: int
    oldest_at: float | None
    running: int
    paused_since: float | None


class Worker(NamedTuple):
    """A worker process: when it began and last gave a sign of life (Unix s), and the ids of the jobs it runs."""

    id: str
    started_at: float
    beaten_at: float | None
    jobs: Sequence[str]


class Minute(NamedTuple):
    """How many jobs were accepted and ended in the minute that begins `at` (Unix s), and the tokens of the latter."""

    at: float
    accepted: int = 0
    completed: int = 0
    failed: int = 0
    other: int = 0
    tokens: int = 0


class Statistics:
    """Counts the jobs and workers of a database; pauses and resumes its queues."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def queues(self) -> list[Queue]:
        """Every queue, in the order in which they are served."""
        counted = select(jobs.c.tier, func.count(), func.min(jobs.c.created_at)).group_by(jobs.c.tier)
        with self._database.read() as connection:
            waiting = {tier: (count, oldest) for tier, count, oldest in connection.execute(counted.where(IS_QUEUED))}
            running = {tier: count for tier, count, _ in connection.execute(counted.where(IS_RUNNING))}
            since = {row.tier: row.since for row in connection.execute(select(paused))}
        return [
            Queue(name, *waiting.get(tier, (0, None)), running.get(tier, 0), since.get(tier))
            for tier, name in enumerate(QUEUES)
        ]

    def pause(self, name: str) -> None:
        """Let no job of this queue be begun; those that run go on. Again is no error. Raises InvalidRequest."""
        with suppress(IntegrityError), self._database.write() as connection:
            connection.execute(insert(paused).values(tier=_tier(name), since=time.time()))

    def resume(self, name: str) -> None:
        """Let this queue's jobs be begun again, within seconds. Again is no error. Raises InvalidRequest."""
        with self._database.write() as connection:
            connection.execute(delete(paused).where(paused.c.tier == _tier(name)))

    def workers(self) -> list[Worker]:
        """Every worker that is known, the oldest first."""
        running: dict[str, list[str]] = {}
        with self._database.read() as connection:
            known = connection.execute(select(workers).order_by(workers.c.started_at, workers.c.id)).all()
            held = select(jobs.c.worker, jobs.c.id).where(IS_RUNNING).order_by(jobs.c.id)
            for worker, job_id in connection.execute(held):
                running.setdefault(worker, []).append(job_id)
        return [Worker(row.id, row.started_at, row.beaten_at, running.get(row.id, [])) for row in known]

    def minutes(self, now: float) -> list[Minute]:
        """The hour up to the minute of `now` (Unix s), minute by minute."""
        begin = (now // 60 - _MINUTES + 1) * 60
        accepted, ended = (((column - begin) // 60).label("minute") for column in (jobs.c.created_at, jobs.c.ended_at))
        accepted_jobs = select(accepted, func.count()).where(jobs.c.created_at >= begin)
        figures = (func.count(), func.sum(jobs.c.tokens))
        ended_jobs = select(ended, jobs.c.status, *figures).where(HAS_ENDED, jobs.c.ended_at >= begin)
        totals = Counter[tuple[int, str]]()
        with self._database.read() as connection:
            for minute, count in connection.execute(accepted_jobs.group_by("minute")):
                totals[minute, "accepted"] = count
            for minute, status, count, tokens in connection.execute(ended_jobs.group_by("minute", jobs.c.status)):
                totals[minute, status if status in Minute._fields else "other"] += count
                totals[minute, "tokens"] += tokens or 0
        counted = [[totals[number, name] for name in Minute._fields[1:]] for number in range(_MINUTES)]
        return [Minute(begin + 60 * number, *counts) for number, counts in enumerate(counted)]

    def failures(self, since: float) -> dict[str, int]:
        """How many jobs have failed since then (Unix s), by the code of what went wrong."""
        failed = (jobs.c.status == Status.FAILED, jobs.c.ended_at >= since)
        query = select(func.coalesce(jobs.c.error, "unknown").label("code"), func.count().label("jobs")).where(*failed)
        with self._database.read() as connection:
            return {row.code: row.jobs for row in connection.execute(query.group_by("code"))}

    def running(self) -> list[tuple[float, dict[str, Any]]]:
        """Of each running job that has noted its progress: since when it runs (Unix s), and the progress."""
        query = select(jobs.c.started_at, jobs.c.progress).where(IS_RUNNING, jobs.c.progress.is_not(None))
        with self._database.read() as connection:
            return [(row.started_at, orjson.loads(row.progress)) for row in connection.execute(query)]


def _tier(name: str) -> int:
    if name not in QUEUES:
        raise InvalidRequest(f"There is no queue '{name}'; there are {', '.join(QUEUES)}.", param="queue")
    return QUEUES.index(name)

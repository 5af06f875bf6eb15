"""What queued jobs wait behind: how many there are, what is paused, who runs how many, and how fast jobs end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select

from jobs.storage.database import Database
from jobs.storage.queue.claims import RunningLimits, select_queued, select_running
from jobs.storage.queue.places import MOST, Places, read_places
from jobs.storage.schema import HAS_ENDED, jobs, paused, workers

# The pace is measured over so many seconds, by so many jobs at most; fewer than the least say nothing of it.
_PACE_SECONDS = 600.0
_MOST_ENDED = 1_000
_LEAST_ENDED = 3


class QueueCounts(NamedTuple):
    """At most `MOST` jobs are counted as `waiting`; `paused` tiers have the time since when (Unix seconds).

    `running` is by owner and model, `seconds_a_job` how long it lately took from one end of a job to the next, None
    when too few ended; `beaten_at` is when a worker last gave a sign of life, None when none is known, and `oldest_at`
    when the first of all that wait was accepted (Unix seconds both).
    """

    waiting: int
    oldest_at: float | None
    places: Places
    paused: Mapping[int, float]
    running: Mapping[tuple[str, str], int]
    seconds_a_job: float | None
    beaten_at: float | None

    def running_of(self, *, model: str | None = None, owner: str | None = None) -> int:
        """How many jobs of a model, or of an owner, run."""
        counted = ((whose, which, count) for (whose, which), count in self.running.items())
        return sum(count for whose, which, count in counted if owner in (None, whose) and model in (None, which))


def read_counts(database: Database, now: float, limits: RunningLimits) -> QueueCounts:
    """The counts at `now` (Unix seconds), where these limits are the workers'. Raises SQLAlchemyError."""
    queued = select_queued().add_columns(jobs.c.created_at).limit(MOST).subquery()
    waiting = select(func.count(), func.min(queued.c.created_at))
    ended_lately = select(jobs.c.ended_at).where(HAS_ENDED, jobs.c.ended_at >= now - _PACE_SECONDS)
    ran = ended_lately.where(jobs.c.started_at.is_not(None))
    lately = ran.order_by(jobs.c.ended_at.desc()).limit(_MOST_ENDED).subquery()
    running = Counter[tuple[str, str]]()
    with database.read() as connection:
        for owner, model, count in connection.execute(select_running()):
            running[owner, model] = count
        ended, first = connection.execute(select(func.count(), func.min(lately.c.ended_at))).one()
        count, oldest_at = connection.execute(waiting).one()
        return QueueCounts(
            count,
            oldest_at,
            read_places(connection, limits),
            {row.tier: row.since for row in connection.execute(select(paused))},
            running,
            (now - first) / ended if ended >= _LEAST_ENDED else None,
            connection.execute(select(func.max(workers.c.beaten_at))).scalar_one(),
        )

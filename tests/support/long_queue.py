"""A queue of many jobs, made in the database itself: accepted one by one they would take minutes."""

from __future__ import annotations

from sqlalchemy import String, cast, insert, literal, select, text

from jobs.job import Job
from jobs.storage.database import Database
from jobs.storage.schema import jobs

# In place of the last seven digits of an id.
_HIGHEST = 1_000_000


def lengthen(database: Database, job: Job, count: int) -> None:
    """Put so many copies of a queued job behind it, a millisecond apart."""
    numbers = select(literal(1).label("number")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.number + 1).where(numbers.c.number < count))
    changes = {
        "id": literal(job.id[:-7]) + cast(_HIGHEST + numbers.c.number, String),
        "created_at": jobs.c.created_at + numbers.c.number / 1000.0,
    }
    copies = select(*(changes.get(column.name, column) for column in jobs.c)).where(jobs.c.id == job.id)
    with database.write() as connection:
        connection.execute(
            insert(jobs).from_select(list(jobs.c.keys()), copies.join_from(jobs, numbers, literal(True)))
        )
    if database.engine.name == "postgresql":  # which does so by itself, some time later; SQLite never does
        with database.write() as connection:
            connection.execute(text("ANALYZE jobs"))

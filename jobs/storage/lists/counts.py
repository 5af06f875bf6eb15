"""How many jobs an owner has, by status.

Jobs that have ended are only ever added and removed: triggers of the database count them in `job_counts`, in the
transaction of whatever does so. Those that wait and run are few, and counted in an index at each look: to keep their
numbers, each claim of one owner's jobs would have to wait for the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Unpack

from sqlalchemy import CompoundSelect, Select, func, literal, select, union_all

from jobs.job import Status
from jobs.storage.database import Database
from jobs.storage.lists.filters import Filter, is_counted, matching, order_of, prompt_id
from jobs.storage.schema import job_counts, jobs
from jobs.storage.search.matches import MOST_COUNTED

_UNENDED = (Status.QUEUED, Status.IN_PROGRESS)


def select_counts(dialect: str, owner: str, **only: Unpack[Filter]) -> CompoundSelect[Any] | Select[Any]:
    """SELECT of statuses and numbers to be added up: how many jobs of the owner match a Filter. Of one moment.

    Where the filter is of more than status and prompt, the newest MOST_COUNTED that match are counted.
    """
    if not is_counted(only):
        query = matching(select(jobs.c.status), dialect, owner, **only)
        newest = query.order_by(*(key.desc() for key in order_of(only))).limit(MOST_COUNTED).subquery()
        return select(newest.c.status, func.count()).group_by(newest.c.status)
    status, prompt = only.get("status"), only.get("prompt")
    kept = select(job_counts.c.status, job_counts.c.jobs).where(job_counts.c.owner == owner)
    if prompt:
        kept = kept.where(job_counts.c.prompt == prompt_id(prompt))
    if status:
        kept = kept.where(job_counts.c.status == status)
    # One by one, because only then PostgreSQL always looks them up, and reads none of the others.
    counted = (
        matching(select(literal(one.value)), dialect, owner, status=one, prompt=prompt).add_columns(func.count())
        for one in _UNENDED
        if status in (None, one)
    )
    return union_all(kept, *counted)


def count_differences(database: Database) -> Iterator[str]:
    """Where the numbers that are kept differ from those of the rows: none when all is well."""
    key = (jobs.c.owner, jobs.c.status, func.coalesce(jobs.c.prompt, ""))
    rows = select(*key, func.count()).where(jobs.c.ended_at.is_not(None)).group_by(*key)
    kept = select(job_counts).where(job_counts.c.jobs != 0)
    with database.read() as connection:
        counts, kept_counts = (
            {(owner, status, prompt): count for owner, status, prompt, count in connection.execute(query)}
            for query in (rows, kept)
        )
    for owner, status, prompt in sorted(counts.keys() | kept_counts.keys()):
        count, kept_count = (found.get((owner, status, prompt), 0) for found in (counts, kept_counts))
        if count != kept_count:
            yield f"counts of {owner}  {count} {status} jobs of prompt '{prompt}', {kept_count} counted"

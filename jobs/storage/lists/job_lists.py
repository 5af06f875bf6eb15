"""An owner's jobs in order of age, page by page: each query reads along one index, and only what it shows."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from sqlalchemy import Select, select, tuple_

from jobs.errors import JobNotFound
from jobs.job import ListedJob, Status
from jobs.requests.job_request import JobRequest
from jobs.storage.database import Database
from jobs.storage.lists.counts import select_counts
from jobs.storage.lists.filters import Filter, first_of, matching, order_of
from jobs.storage.rows import listed_job_of, select_listed_jobs
from jobs.storage.schema import jobs, search_entries


class Place(NamedTuple):
    """Where a job stands in a list, whether it is still there or not: the values by which the list is ordered."""

    id: str
    keys: tuple[float | str, ...]


class JobLists:
    """The lists of a database's jobs. `owner` is always checked: another's job does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.name

    def page(
        self, owner: str, *, limit: int, after: str | None = None, newest_first: bool = True, **only: Unpack[Filter]
    ) -> list[ListedJob]:
        """Up to `limit` jobs of the owner that match, in order of age, beginning behind the job `after`.

        Raises JobNotFound when there is no such job.
        """
        rows = self._rows(select_listed_jobs(), owner, limit, after, newest_first=newest_first, **only)
        return [listed_job_of(row) for row in rows]

    def page_with_requests(
        self, owner: str, *, limit: int, after: str | None = None, newest_first: bool = True, **only: Unpack[Filter]
    ) -> list[tuple[ListedJob, JobRequest]]:
        """The same, each job with what was asked."""
        columns = select_listed_jobs().add_columns(jobs.c.request)
        rows = self._rows(columns, owner, limit, after, newest_first=newest_first, **only)
        requests = [JobRequest.from_json(row.pop("request")) for row in rows]
        return list(zip(map(listed_job_of, rows), requests, strict=True))

    def places(self, owner: str, *, limit: int, behind: Place | None = None, **only: Unpack[Filter]) -> list[Place]:
        """Up to `limit` of the owner's jobs that match, the newest first, beginning behind a place."""
        columns = select(jobs.c.id, *order_of(only.get("words", "")))
        query = self._select(columns, owner, limit, behind, newest_first=True, **only)
        with self._database.read() as connection:
            return [Place(job_id, tuple(keys)) for job_id, *keys in connection.execute(query)]

    def ids(self, owner: str, *, limit: int = 10_000, **only: Unpack[Filter]) -> list[str]:
        """The ids of up to `limit` of the owner's jobs that match, the newest first."""
        return [place.id for place in self.places(owner, limit=limit, **only)]

    def counts(self, owner: str, **only: Unpack[Filter]) -> dict[Status, int]:
        """How many jobs of the owner match, by status; with `words`, of the newest MOST_COUNTED."""
        counts = dict.fromkeys(Status, 0)
        with self._database.read() as connection:
            for status, count in connection.execute(select_counts(self._dialect, owner, **only)):
                counts[Status(status)] += count
        return counts

    def _rows(
        self,
        columns: Select[Any],
        owner: str,
        limit: int,
        after: str | None,
        *,
        newest_first: bool,
        **only: Unpack[Filter],
    ) -> list[dict[str, Any]]:
        behind = self._place(owner, after, only.get("words", "")) if after else None
        query = self._select(columns, owner, limit, behind, newest_first=newest_first, **only)
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _place(self, owner: str, job_id: str, words: str) -> Place:
        keys = (search_entries.c.number,) if words.strip() else (jobs.c.created_at, jobs.c.id)
        query = select(*keys).select_from(jobs).where(jobs.c.id == job_id, jobs.c.owner == owner)  # invariant 8
        if words.strip():
            query = query.join(search_entries, search_entries.c.job_id == jobs.c.id)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise JobNotFound(job_id)
        return Place(job_id, tuple(row))

    def _select(
        self,
        columns: Select[Any],
        owner: str,
        limit: int,
        behind: Place | None,
        *,
        newest_first: bool,
        **only: Unpack[Filter],
    ) -> Select[Any]:
        query = matching(columns, self._dialect, owner, **only)
        words = only.get("words", "")
        if behind is not None:
            # A comparison of rows, because both databases look it up in an index; with OR they read up to it.
            age, place = tuple_(*order_of(words)), tuple_(*behind.keys)
            query = query.where(age < place if newest_first else age > place)
        return first_of(query, self._dialect, limit, words=words, newest_first=newest_first)

"""An owner's jobs, page by page. In the order of age each query reads along one index, and only what it shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Unpack

import orjson
from sqlalchemy import ColumnElement, Select, func, select, tuple_

from jobs.errors import JobNotFound
from jobs.job import ListedJob, Status
from jobs.requests.job_request import JobRequest
from jobs.storage.database import Database
from jobs.storage.lists.counts import select_counts
from jobs.storage.lists.filters import Filter, Sort, first_of, in_order, is_search, matching, order_of, value_of
from jobs.storage.lists.labels import select_labels
from jobs.storage.rows import listed_job_of, select_listed_jobs
from jobs.storage.schema import HAS_ENDED, IS_HELD, jobs, search_entries

# In any order but that of age so many of the newest are looked at: to sort them takes some 20 ms.
MOST_SORTED = 10_000


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
        self,
        owner: str,
        *,
        limit: int,
        after: str | None = None,
        sort: Sort = Sort.NEWEST,
        backwards: bool = False,
        **only: Unpack[Filter],
    ) -> list[ListedJob]:
        """Up to `limit` jobs of the owner that match, beginning behind the job `after`, or `backwards` before it.

        Raises JobNotFound when there is no such job.
        """
        rows = self._rows(self._page(select_listed_jobs(), owner, after, _Order(limit, sort, backwards), only))
        return [listed_job_of(row) for row in rows]

    def page_with_requests(
        self, owner: str, *, limit: int, after: str | None = None, sort: Sort = Sort.NEWEST, **only: Unpack[Filter]
    ) -> list[tuple[ListedJob, JobRequest]]:
        """The same, each job with what was asked, and with the metadata that it has now."""
        columns = select_listed_jobs().add_columns(jobs.c.request, jobs.c.changed_metadata)
        rows = self._rows(self._page(columns, owner, after, _Order(limit, sort), only))
        requests = [_request_of(row.pop("request"), row.pop("changed_metadata")) for row in rows]
        return list(zip(map(listed_job_of, rows), requests, strict=True))

    def places(self, owner: str, *, limit: int, behind: Place | None = None, **only: Unpack[Filter]) -> list[Place]:
        """Up to `limit` of the owner's jobs that match, the newest first, beginning behind a place."""
        query = self._by_age(select(jobs.c.id, *order_of(only)), owner, behind, _Order(limit), only)
        with self._database.read() as connection:
            return [Place(job_id, tuple(keys)) for job_id, *keys in connection.execute(query)]

    def ids(self, owner: str, *, limit: int = 10_000, **only: Unpack[Filter]) -> list[str]:
        """The ids of up to `limit` of the owner's jobs that match, the newest first."""
        return [place.id for place in self.places(owner, limit=limit, **only)]

    def is_longer(self, owner: str, length: int, **only: Unpack[Filter]) -> bool:
        """Whether more jobs of the owner match than that."""
        some = self._by_age(select(jobs.c.id), owner, None, _Order(length + 1), only).subquery()
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(some)).scalar_one() > length

    def counts(self, owner: str, **only: Unpack[Filter]) -> dict[Status, int]:
        """How many jobs of the owner match, by status: all, or of the newest MOST_COUNTED (see select_counts)."""
        counts = dict.fromkeys(Status, 0)
        with self._database.read() as connection:
            for status, count in connection.execute(select_counts(self._dialect, owner, **only)):
                counts[Status(status)] += count
        return counts

    def news(self, owner: str, since: float, *, limit: int) -> list[ListedJob]:
        """Up to `limit` of the owner's jobs that have ended since then (Unix s), not cancelled, and as many that wait.

        Without the lines of batches, of which the batch tells.
        """
        mine = select_listed_jobs().where(jobs.c.owner == owner, jobs.c.batch_id.is_(None)).limit(limit)  # invariant 8
        ended = mine.where(HAS_ENDED, jobs.c.status != Status.CANCELLED, jobs.c.ended_at > since)
        held = mine.where(IS_HELD, jobs.c.held_at > since)
        return [listed_job_of(row) for row in (*self._rows(ended), *self._rows(held))]

    def labels(self, owner: str) -> list[str]:
        """The labels that jobs of the owner have, by name."""
        with self._database.read() as connection:
            return list(connection.execute(select_labels(owner)).scalars())

    def _rows(self, query: Select[Any]) -> list[dict[str, Any]]:
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _page(self, columns: Select[Any], owner: str, after: str | None, order: _Order, only: Filter) -> Select[Any]:
        behind = self._place(owner, after, order, only) if after else None
        select_page = self._by_age if order.sort.is_by_age else self._sorted
        return select_page(columns, owner, behind, order, only)

    def _place(self, owner: str, job_id: str, order: _Order, only: Filter) -> Place:
        keys: tuple[ColumnElement[Any], ...] = (jobs.c.created_at, jobs.c.id)
        query = select().select_from(jobs).where(jobs.c.id == job_id, jobs.c.owner == owner)  # invariant 8
        if not order.sort.is_by_age:
            keys = (value_of(order.sort), jobs.c.id)
        elif is_search(only):
            keys = (search_entries.c.number,)
            query = query.join(search_entries, search_entries.c.job_id == jobs.c.id)
        with self._database.read() as connection:
            row = connection.execute(query.add_columns(*keys)).one_or_none()
        if row is None:
            raise JobNotFound(job_id)
        return Place(job_id, tuple(row))

    def _by_age(
        self, columns: Select[Any], owner: str, behind: Place | None, order: _Order, only: Filter
    ) -> Select[Any]:
        query = order.behind(behind, matching(columns, self._dialect, owner, **only), order_of(only))
        return first_of(query, self._dialect, order.limit, only, rising=order.is_rising)

    def _sorted(
        self, columns: Select[Any], owner: str, behind: Place | None, order: _Order, only: Filter
    ) -> Select[Any]:
        newest = self._by_age(select(jobs.c.id), owner, None, _Order(MOST_SORTED), only).subquery()
        keys = (value_of(order.sort), jobs.c.id)
        query = order.behind(behind, columns.where(jobs.c.id.in_(select(newest.c.id))), keys)
        return in_order(query, keys, rising=order.is_rising).limit(order.limit)


def _request_of(request: str, changed_metadata: str | None) -> JobRequest:
    accepted = JobRequest.from_json(request)
    return replace(accepted, metadata=orjson.loads(changed_metadata)) if changed_metadata else accepted


class _Order(NamedTuple):
    """How many jobs of a list are wanted, what it begins with, and whether it is read the other way round."""

    limit: int
    sort: Sort = Sort.NEWEST
    backwards: bool = False

    @property
    def is_rising(self) -> bool:
        """Whether the least comes first."""
        return self.sort.is_rising != self.backwards

    def behind(self, place: Place | None, query: Select[Any], keys: tuple[ColumnElement[Any], ...]) -> Select[Any]:
        """The query, beginning behind a place in the order of the keys."""
        if place is None:
            return query
        # A comparison of rows, because both databases look it up in an index; with OR they read up to it.
        key, values = tuple_(*keys), tuple_(*place.keys)
        return query.where(key > values if self.is_rising else key < values)

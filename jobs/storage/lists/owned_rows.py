"""Rows of an owner in any table that has the columns `id`, `owner` and `created_at`: one of them, or a page."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, RowMapping, Select, Table, select, tuple_

from jobs.errors import NotFound
from jobs.storage.database import Database


class PageOf(NamedTuple):
    """Which page of a list: up to `limit` rows behind the one with the id `after`."""

    limit: int
    after: str | None = None
    newest_first: bool = True


class OwnedRows:
    """The rows of a table; what each is called in an error is its `noun`. Another owner's row does not exist."""

    def __init__(self, database: Database, table: Table, noun: str) -> None:
        self._database = database
        self._table = table
        self._noun = noun

    def get(self, owner: str, row_id: str) -> RowMapping:
        """The owner's row. Raises NotFound."""
        with self._database.read() as connection:
            row = connection.execute(select(self._table).where(self.is_owned(owner, row_id))).mappings().one_or_none()
        if row is None:
            raise self.missing(row_id)
        return row

    def page(self, owner: str, page: PageOf, *conditions: ColumnElement[bool]) -> list[RowMapping]:
        """A page of the owner's rows that meet the conditions. Raises NotFound when there is no row `after`."""
        columns = self._table.c
        place = (columns.created_at, columns.id)
        query: Select[Any] = select(self._table).where(columns.owner == owner, *conditions)  # invariant 8
        if page.after is not None:
            row = self.get(owner, page.after)
            behind = tuple_(row["created_at"], row["id"])
            query = query.where(tuple_(*place) < behind if page.newest_first else tuple_(*place) > behind)
        query = query.order_by(*(key.desc() if page.newest_first else key for key in place)).limit(page.limit)
        with self._database.read() as connection:
            return list(connection.execute(query).mappings())

    def is_owned(self, owner: str, row_id: str) -> ColumnElement[bool]:
        """The condition for this row of this owner."""
        return (self._table.c.id == row_id) & (self._table.c.owner == owner)  # invariant 8

    def missing(self, row_id: str) -> NotFound:
        """The error for a row that is not there."""
        return NotFound(f"{self._noun} with id '{row_id[:100]}' not found.")

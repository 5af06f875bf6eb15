"""A change of many rows of `jobs`, a batch at a time: it holds up others for milliseconds, and needs no memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

# A text may have some megabytes.
_JOBS = 20

Change = Callable[[sa.Row[Any]], dict[str, Any] | None]


def change_batch(connection: sa.Connection, after: str, columns: Sequence[str], values_of: Change) -> str | None:
    """Change the rows of the next ids after this one, inside the caller's transaction.

    `values_of` gives the new values for a row of these columns, None to leave it. Returns the last id, None behind the
    last row.
    """
    table = sa.table("jobs", sa.column("id", sa.String), *map(sa.column, columns))
    query = sa.select(*table.c).where(table.c.id > after).order_by(table.c.id).limit(_JOBS)
    rows: Sequence[sa.Row[Any]] = connection.execute(query).all()
    for row in rows:
        if values := values_of(row):
            changed = sa.table("jobs", *map(sa.column, ("id", *values)))
            connection.execute(sa.update(changed).where(changed.c.id == row.id).values(values))
    return rows[-1].id if rows else None

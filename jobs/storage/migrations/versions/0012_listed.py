"""The columns of lists in rows from before there were any."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from jobs.storage.lists.older_rows import listed_values
from jobs.storage.migrations.batches import change_batch

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Only rows change."""


def change_rows(connection: sa.Connection, after: str) -> str | None:
    return change_batch(connection, after, ["request", "response", "created_at", "title", "outcome"], _values)


def _values(row: sa.Row[Any]) -> dict[str, Any] | None:
    return listed_values(row._mapping)

"""The columns of lists in rows from before there were any."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa

from jobs.protocol.fold import text_of
from jobs.protocol.outcome import outcome_of
from jobs.requests.job_request import JobRequest
from jobs.requests.title import title_of
from jobs.storage.migrations.batches import change_batch
from jobs.storage.rows import storable

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Only rows change."""


def change_rows(connection: sa.Connection, after: str) -> str | None:
    return change_batch(connection, after, ["request", "response", "created_at", "title", "outcome"], _values)


def _values(row: sa.Row[Any]) -> dict[str, Any] | None:
    request = JobRequest.from_json(row.request)
    values: dict[str, Any] = {"target_words": request.target_words}
    response = orjson.loads(row.response) if row.response else None
    if row.title is None:
        values["title"] = storable(title_of(request, text_of(response) if response else ""))
    if response and row.outcome is None:
        values["outcome"] = outcome_of(response, row.created_at, request)
    return values

"""The prompt of a request is a column."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from jobs.storage.migrations.batches import change_batch

revision = "0003_prompts"
down_revision = "0003"


def upgrade() -> None:
    """Only rows change."""


def change_rows(connection: sa.Connection, after: str) -> str | None:
    return change_batch(connection, after, ["request"], _values)


def _values(row: sa.Row[Any]) -> dict[str, Any] | None:
    prompt = json.loads(row.request)["prompt"]
    return {"prompt": prompt["id"]} if prompt else None

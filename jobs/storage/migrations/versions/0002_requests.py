"""Requests hold history, and a prompt its messages; what a search looks through, and the model, are columns."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from jobs.storage.migrations.batches import change_batch

revision = "0002_requests"
down_revision = "0002"


def upgrade() -> None:
    """Only rows change."""


def change_rows(connection: sa.Connection, after: str) -> str | None:
    return change_batch(connection, after, ["request"], _values)


def _values(row: sa.Row[Any]) -> dict[str, Any] | None:
    request = json.loads(row.request)
    if "messages" not in request:
        return None  # done before
    kept = _with_history(request)
    return {"request": json.dumps(kept, ensure_ascii=False), "search": _words(kept), "model": kept["model"]}


def _with_history(request: dict[str, Any]) -> dict[str, Any]:
    added = ["safety_identifier", "prompt_cache_key", "truncation", "previous_response_id"]
    added += ["presence_penalty", "frequency_penalty"]
    told, own = request.pop("messages"), len(request["input"])
    if request["prompt"]:
        first = 1 if request["instructions"] else 0
        request["prompt"]["messages"] = told[first : len(told) - own]
    return {**dict.fromkeys(added), **request, "history": []}


def _words(request: dict[str, Any]) -> str:
    variables = request["prompt"]["variables"].values() if request["prompt"] else ()
    return (
        "\n".join([*map(str, variables), *(message["content"] for message in request["input"])])
        .lower()
        .replace("\0", " ")
    )

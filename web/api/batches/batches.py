"""`/v1/batches`: many requests in one file, run when there is room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import orjson
from flask import Response, g, request
from pydantic import BaseModel
from sqlalchemy import RowMapping

from jobs.requests.generation import Metadata, validated
from jobs.requests.parameters import Text
from jobs.storage.batches.batches import Batches, Counts
from jobs.storage.batches.usage import usage_of
from jobs.storage.lists.owned_rows import PageOf
from web.actions.batches import create_batch
from web.api import render
from web.context import WebContext

_SAME = ("id", "endpoint", "input_file_id", "status", "output_file_id", "error_file_id", "model", "metadata")
_TIMES = (
    *("created_at", "in_progress_at", "expires_at", "finalizing_at", "completed_at", "failed_at", "expired_at"),
    *("cancelling_at", "cancelled_at"),
)


class NewBatch(BaseModel):
    """The body that makes a batch."""

    input_file_id: Text
    endpoint: Text
    completion_window: Literal["24h"]
    metadata: Metadata | None = None


class BatchRoutes:
    """The handlers of `/v1/batches`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._batches = Batches(context.database)

    def create(self) -> Response:
        """Accept a batch; its lines are read behind the answer."""
        body = validated(NewBatch, request.get_data())
        return self._answer(create_batch(self._context, g.owner, body.input_file_id, body.endpoint, body.metadata))

    def page(self) -> Response:
        """The owner's batches."""
        limit, newest_first = render.paging(request.args)
        found = self._batches.page(g.owner, PageOf(limit + 1, request.args.get("after"), newest_first))
        counts = self._batches.counts(found)
        return render.listing([_wire(row, counts[row["id"]]) for row in found], limit)

    def retrieve(self, batch_id: str) -> Response:
        """A batch, and how far it is."""
        return self._answer(self._batches.get(g.owner, batch_id))

    def cancel(self, batch_id: str) -> Response:
        """End a batch; what is finished is kept."""
        return self._answer(self._batches.cancel(g.owner, batch_id))

    def _answer(self, row: RowMapping) -> Response:
        return render.json(_wire(row, self._batches.counts([row])[row["id"]]))


def _error(error: Mapping[str, Any]) -> dict[str, Any]:
    return {name: error[name] for name in ("line", "message", "param", "code")}


def _wire(row: RowMapping, counts: Counts) -> dict[str, Any]:
    errors = row["errors"] and {"object": "list", "data": [_error(error) for error in orjson.loads(row["errors"])]}
    return {
        **{name: row[name] for name in _SAME},
        **{name: row[name] and int(row[name]) for name in _TIMES},
        "object": "batch",
        "completion_window": "24h",
        "errors": errors,
        "request_counts": counts._asdict(),
        "usage": usage_of(row),
    }

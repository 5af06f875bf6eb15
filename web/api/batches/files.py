"""`/v1/files`: the lines of batches, and what became of them."""

from __future__ import annotations

from typing import Any

from flask import Response, g, request
from sqlalchemy import RowMapping

from jobs.storage.batches.batches import Batches
from jobs.storage.batches.files import OUTPUT, Files
from jobs.storage.lists.owned_rows import PageOf
from web.actions.batches import store_file
from web.api import render
from web.api.batches.output import output_lines
from web.context import WebContext


class FileRoutes:
    """The handlers of `/v1/files`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._files = Files(context.database)
        self._batches = Batches(context.database)

    def create(self) -> Response:
        """Store a file for batches."""
        return render.json(_wire(store_file(self._context, g.owner, request)))

    def page(self) -> Response:
        """The owner's files."""
        limit, newest_first = render.paging(request.args)
        page = PageOf(limit + 1, request.args.get("after"), newest_first)
        found = self._files.page(g.owner, page, request.args.get("purpose"))
        return render.listing([_wire(row) for row in found], limit)

    def retrieve(self, file_id: str) -> Response:
        """One file, without its content."""
        return render.json(_wire(self._files.get(g.owner, file_id)))

    def delete(self, file_id: str) -> Response:
        """Remove a file; a batch's jobs stay."""
        self._files.delete(g.owner, file_id)
        return render.json({"id": file_id, "object": "file", "deleted": True})

    def content(self, file_id: str) -> Response:
        """What is in a file; that of a batch is read from its jobs."""
        row = self._files.get(g.owner, file_id)
        if row["purpose"] == OUTPUT:
            batch = self._batches.get(g.owner, row["batch_id"])
            content = output_lines(self._batches, batch, row["kind"])
        else:
            content = self._files.pieces(file_id)
        answer = Response(content, mimetype="application/jsonl")
        answer.headers["Content-Disposition"] = "attachment"
        return answer


def _wire(row: RowMapping) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("id", "bytes", "filename", "purpose")},
        "object": "file",
        "created_at": int(row["created_at"]),
        "expires_at": row["expires_at"] and int(row["expires_at"]),
        "status": "processed",
        "status_details": None,
    }

"""`/batches`: the owner's batches, how far each is, and a form that makes one of a file."""

from __future__ import annotations

from typing import Any

import orjson
from flask import flash, g, redirect, render_template, request, url_for

from jobs.errors import InvalidRequest, LimitReached
from jobs.requests.batch_line import ENDPOINTS
from jobs.storage.batches.batches import OPEN, Batches
from jobs.storage.batches.usage import usage_of
from jobs.storage.lists.owned_rows import PageOf
from web.actions.batches import create_batch, store_file
from web.context import WebContext
from web.limits.words import sentence
from web.pages.i18n import _

_PAGE_SIZE = 30
_SHOWN_ERRORS = 3


class BatchPage:
    """The handlers of `/batches` and of its buttons."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._batches = Batches(context.database)

    def show(self) -> Any:
        """The newest batches behind `after`."""
        return self._page()

    def create(self) -> Any:
        """A file was sent: it becomes a batch."""
        try:
            file = store_file(self._context, g.owner, request)
            create_batch(self._context, g.owner, file["id"], request.form.get("endpoint", ""))
        except InvalidRequest as error:
            return self._page(error.sentence(_)), 400
        except LimitReached as error:
            return self._page(sentence(error, _)), 429
        flash(_("The batch is accepted: its lines are being read."))
        return redirect(url_for("batch_page.show"), 303)

    def cancel(self, batch_id: str) -> Any:
        """End a batch; what is finished is kept."""
        try:
            self._batches.cancel(g.owner, batch_id)
        except InvalidRequest as error:
            return self._page(error.sentence(_)), 400
        flash(_("The batch is being cancelled. What is finished is kept."))
        return redirect(url_for("batch_page.show"), 303)

    def _page(self, problem: str = "") -> str:
        found = self._batches.page(g.owner, PageOf(_PAGE_SIZE + 1, request.args.get("after") or None))
        rows = found[:_PAGE_SIZE]
        counts = self._batches.counts(rows)
        shown = [
            {
                **row,
                "counts": counts[row["id"]],
                "usage": usage_of(row),
                "is_open": row["status"] in OPEN,
                "errors": orjson.loads(row["errors"] or b"[]")[:_SHOWN_ERRORS],
            }
            for row in rows
        ]
        older = rows[-1]["id"] if len(found) > _PAGE_SIZE else ""
        return render_template("batches.html", batches=shown, older=older, problem=problem, endpoints=ENDPOINTS)

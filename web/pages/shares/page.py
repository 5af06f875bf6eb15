"""`/jobs/{id}/share`: the links to a job's text, to make and to take back."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import flash, g, redirect, render_template, request, url_for

from jobs.errors import InvalidRequest, JobNotFound, NotFound
from jobs.requests.generation import validated
from jobs.storage.lists.owned_rows import PageOf
from jobs.storage.shares.shares import MOST_SHARES, Shares
from web.actions.shares import ShareRequest, share
from web.context import WebContext
from web.pages.i18n import _
from web.pages.titles import title


class SharePage:
    """The handlers of `/jobs/{id}/share`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._shares = Shares(context.database)

    def show(self, job_id: str) -> Any:
        """The job's links, without their tokens."""
        try:
            return self._page(job_id)
        except JobNotFound:
            return render_template("missing.html"), 404

    def act(self, job_id: str) -> Any:
        """A button was pressed: a new link, shown by the answer itself, or the end of the one named by `revoke`."""
        if share_id := request.form.get("revoke"):
            self._context.store.get(g.owner, job_id)
            with suppress(NotFound):  # a second press, or it has expired
                self._shares.delete(g.owner, share_id)
            flash(_("The link is taken back: it leads nowhere any more."))
            return redirect(url_for("share.show", job_id=job_id), 303)
        try:
            _made, link = share(self._context, g.owner, job_id, validated(ShareRequest, request.form.to_dict()))
        except InvalidRequest as error:
            return self._page(job_id, problem=error.sentence(_)), 400
        return self._page(job_id, link=link)

    def _page(self, job_id: str, *, link: str = "", problem: str = "") -> str:
        job = self._context.store.get(g.owner, job_id)
        shares = self._shares.page(g.owner, PageOf(MOST_SHARES), job_id)
        return render_template("share.html", job=job, title=title(job), shares=shares, link=link, problem=problem)

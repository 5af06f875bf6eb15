"""`/v1/responses/{id}/shares` and `/v1/shares`: links to the texts of jobs."""

from __future__ import annotations

from typing import Any

from flask import Response, g, request

from jobs.errors import InvalidRequest, NotFound
from jobs.requests.generation import validated
from jobs.storage.lists.owned_rows import PageOf
from jobs.storage.shares.shares import Share, Shares
from web.actions.shares import ShareRequest, share
from web.api import render
from web.context import WebContext


class ShareRoutes:
    """The handlers of shares."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._shares = Shares(context.database)

    def create(self, job_id: str) -> Response:
        """A new share of a job, with its link, which is shown this once."""
        wish = validated(ShareRequest, request.get_data() or b"{}")
        made, link = share(self._context, g.owner, job_id, wish)
        return render.json({**_wire(made), "url": link})

    def page(self, job_id: str) -> Response:
        """A page of a job's shares."""
        return self._page(self._context.store.get(g.owner, job_id).id)

    def page_of_all(self) -> Response:
        """A page of all shares of the owner."""
        return self._page(None)

    def _page(self, job_id: str | None) -> Response:
        limit, newest_first = render.paging(request.args)
        page = PageOf(limit + 1, request.args.get("after"), newest_first)
        try:
            found = self._shares.page(g.owner, page, job_id)
        except NotFound as error:
            raise InvalidRequest(str(error), param="after") from error
        return render.listing([_wire(each) for each in found], limit)

    def delete(self, share_id: str) -> Response:
        """Take a share back."""
        self._shares.delete(g.owner, share_id)
        return render.json({"id": share_id, "object": "response.share.deleted", "deleted": True})


def _wire(each: Share) -> dict[str, Any]:
    times = {name: round(getattr(each, name), 3) for name in ("created_at", "expires_at")}
    return {"id": each.id, "object": "response.share", "response_id": each.job_id, **times}

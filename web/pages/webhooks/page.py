"""`/webhooks`: where the owner is told of ends, the secrets for it, and what became of each delivery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, g, make_response, redirect, render_template, request, url_for

from jobs.errors import InvalidRequest
from jobs.storage.lists.owned_rows import PageOf
from jobs.storage.webhooks.deliveries import WebhookDeliveries, status_of
from jobs.storage.webhooks.endpoints import MOST_ENDPOINTS, WebhookEndpoints
from jobs.webhooks.events import EVENT_TYPES
from web.actions import webhooks
from web.context import WebContext
from web.pages.i18n import _

_DELIVERIES = 30


class WebhooksPage:
    """The handlers of `/webhooks` and of its buttons."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._endpoints = WebhookEndpoints(context.database)
        self._deliveries = WebhookDeliveries(context.database)
        self._actions: dict[str, Callable[[str], Any]] = {
            "add": self._add,
            "delete": self._delete,
            "rotate": self._rotate,
            "test": self._test,
            "secret": self._new_job_secret,
            "resend": self._resend,
        }

    def show(self) -> Any:
        """The endpoints, and the newest deliveries behind `after`."""
        return self._page()

    def act(self) -> Any:
        """A button was pressed; a new secret is shown by the answer itself, this once."""
        action = self._actions.get(request.form.get("act", ""))
        if action is None:
            return self._page(problem=f"'act' must be one of {', '.join(self._actions)}."), 400
        try:
            shown = action(request.form.get("id", ""))
        except InvalidRequest as error:
            return self._page(problem=error.sentence(_)), 400
        return redirect(url_for("webhooks.show"), 303) if shown is None else shown

    def _add(self, _id: str) -> Any:
        form = request.form
        name = form.get("name") or form.get("url", "")[:40]
        _endpoint, secret = webhooks.create_endpoint(
            self._context, g.owner, name, form.get("url", ""), form.getlist("event")
        )
        return self._page(secret=secret)

    def _delete(self, endpoint_id: str) -> None:
        self._endpoints.delete(g.owner, endpoint_id)
        flash(_("The endpoint is deleted."))

    def _rotate(self, endpoint_id: str) -> Any:
        return self._page(secret=self._endpoints.rotate(g.owner, endpoint_id, keep_old=True))

    def _new_job_secret(self, _id: str) -> Any:
        return self._page(secret=self._endpoints.new_job_secret(g.owner, keep_old=True))

    def _test(self, endpoint_id: str) -> None:
        row = webhooks.test_endpoint(self._context, g.owner, endpoint_id, EVENT_TYPES[0])
        if row["status_code"] is None:
            flash(_("The endpoint gave no answer: see the list of deliveries."))
        else:
            flash(_("The endpoint answered {status}.", status=row["status_code"]))

    def _resend(self, delivery_id: str) -> None:
        self._deliveries.resend(g.owner, delivery_id)
        flash(_("It is sent again."))

    def _page(self, *, secret: str = "", problem: str = "") -> Any:
        after = request.args.get("after") or None
        found = self._deliveries.page(g.owner, PageOf(_DELIVERIES + 1, after))
        page = render_template(
            "webhooks.html",
            endpoints=self._endpoints.page(g.owner, PageOf(MOST_ENDPOINTS)),
            job_secret=self._endpoints.job_secret(g.owner),
            event_types=EVENT_TYPES,
            deliveries=[{**row, "status": status_of(row)} for row in found[:_DELIVERIES]],
            older=found[_DELIVERIES - 1]["id"] if len(found) > _DELIVERIES else "",
            secret=secret,
            problem=problem,
            form=request.form,
        )
        answer = make_response(page)
        if secret:
            answer.headers["Cache-Control"] = "no-store"
        return answer

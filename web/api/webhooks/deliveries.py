"""`/v1/webhook_deliveries`: what endpoints were told, or are still to be told."""

from __future__ import annotations

from typing import Any

from flask import Response, g, request
from sqlalchemy import RowMapping

from jobs.storage.lists.owned_rows import PageOf
from jobs.storage.webhooks.deliveries import WebhookDeliveries, status_of
from web.api import render
from web.context import WebContext


class WebhookDeliveryRoutes:
    """The handlers of `/v1/webhook_deliveries`."""

    def __init__(self, context: WebContext) -> None:
        self._deliveries = WebhookDeliveries(context.database)

    def page(self) -> Response:
        """The owner's deliveries."""
        limit, newest_first = render.paging(request.args)
        found = self._deliveries.page(g.owner, PageOf(limit + 1, request.args.get("after"), newest_first))
        return render.listing([_wire(row) for row in found], limit)

    def retrieve(self, delivery_id: str) -> Response:
        """One delivery."""
        return render.json(_wire(self._deliveries.get(g.owner, delivery_id)))

    def resend(self, delivery_id: str) -> Response:
        """Try a delivery again that is over, whether it was taken or not."""
        return render.json(_wire(self._deliveries.resend(g.owner, delivery_id)))


def _wire(row: RowMapping) -> dict[str, Any]:
    same = ("id", "event_type", "attempts", "status_code", "problem")
    return {
        **{name: row[name] for name in same},
        "object": "webhook_delivery",
        "webhook_endpoint_id": None if row["url"] else row["endpoint_id"],
        "url": row["url"],
        "data": {"id": row["object_id"]},
        "status": status_of(row),
        "created_at": int(row["created_at"]),
        "delivered_at": row["delivered_at"] and int(row["delivered_at"]),
        "next_attempt_at": row["due_at"] and int(row["due_at"]),
    }

"""`/v1/webhook_endpoints`, as OpenAI's SDKs manage them, and the secret for addresses that jobs name themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response, g, request
from pydantic import BaseModel

from jobs.errors import InvalidRequest
from jobs.requests.generation import validated
from jobs.requests.parameters import Text
from jobs.storage.lists.owned_rows import PageOf
from jobs.storage.webhooks.endpoints import Endpoint, WebhookEndpoints
from jobs.webhooks.events import EVENT_TYPES
from web.actions import webhooks
from web.api import render
from web.context import WebContext


class NewEndpoint(BaseModel):
    """The body that makes an endpoint."""

    name: Text
    url: Text
    event_types: Sequence[str]


class EndpointChange(BaseModel):
    """The body that changes one; what it leaves out stays as it is."""

    name: Text | None = None
    url: Text | None = None
    event_types: Sequence[str] | None = None


class Rotation(BaseModel):
    """The body that asks for another secret."""

    keep_old_secret_active_for_24_hours: bool = False


class EndpointTest(BaseModel):
    """The body that asks for a test."""

    event_type: str


class WebhookEndpointRoutes:
    """The handlers of `/v1/webhook_endpoints`, `/v1/webhook_event_types` and `/v1/webhook_secret`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._endpoints = WebhookEndpoints(context.database)

    def create(self) -> Response:
        """A new endpoint, with its secret, which is shown this once."""
        body = validated(NewEndpoint, request.get_data())
        endpoint, secret = webhooks.create_endpoint(self._context, g.owner, **body.model_dump())
        return render.json(_wire(endpoint, secret))

    def page(self) -> Response:
        """The owner's endpoints."""
        limit, newest_first = render.paging(request.args)
        found = self._endpoints.page(g.owner, PageOf(limit + 1, request.args.get("after"), newest_first))
        return render.listing([_wire(endpoint) for endpoint in found], limit)

    def retrieve(self, endpoint_id: str) -> Response:
        """One endpoint."""
        return render.json(_wire(self._endpoints.get(g.owner, endpoint_id)))

    def update(self, endpoint_id: str) -> Response:
        """Change an endpoint."""
        values = validated(EndpointChange, request.get_data()).model_dump(exclude_none=True)
        return render.json(_wire(webhooks.change_endpoint(self._context, g.owner, endpoint_id, values)))

    def delete(self, endpoint_id: str) -> Response:
        """Remove an endpoint; what it was still to be told is not sent."""
        self._endpoints.delete(g.owner, endpoint_id)
        return render.json({"id": endpoint_id, "object": "webhook_endpoint.deleted", "deleted": True})

    def rotate_secret(self, endpoint_id: str) -> Response:
        """Give an endpoint another secret, which is shown this once."""
        secret = self._endpoints.rotate(g.owner, endpoint_id, keep_old=_keeps_old_secret())
        return render.json(_wire(self._endpoints.get(g.owner, endpoint_id), secret))

    def test(self, endpoint_id: str) -> Response:
        """Send an endpoint a sample, and tell what it answers."""
        event_type = validated(EndpointTest, request.get_data()).event_type
        row = webhooks.test_endpoint(self._context, g.owner, endpoint_id, event_type)
        if row["status_code"] is None:
            raise InvalidRequest(f"The endpoint gave no answer ({row['problem']}): check its address.")
        tested = {"webhook_endpoint_id": endpoint_id, "event_type": event_type, "status_code": row["status_code"]}
        return render.json({"object": "webhook_endpoint.test", "success": True, **tested})

    def event_types(self) -> Response:
        """The events that there are."""
        return render.json({"object": "list", "data": EVENT_TYPES})

    def secret(self) -> Response:
        """What is known of the secret for addresses that jobs name."""
        endpoint = self._endpoints.job_secret(g.owner)
        return render.json({"object": "webhook_secret", "signing_secret_hint": endpoint.hint if endpoint else None})

    def new_secret(self) -> Response:
        """Make that secret, or another one; it is shown this once."""
        secret = self._endpoints.new_job_secret(g.owner, keep_old=_keeps_old_secret())
        return render.json({"object": "webhook_secret", "signing_secret": secret})


def _keeps_old_secret() -> bool:
    body = request.get_data()
    return bool(body.strip()) and validated(Rotation, body).keep_old_secret_active_for_24_hours


def _wire(endpoint: Endpoint, secret: str | None = None) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "created_at": int(endpoint.created_at),
        "updated_at": int(endpoint.updated_at),
        "signing_secret_hint": endpoint.hint,
        **({"signing_secret": secret} if secret else {}),
    }

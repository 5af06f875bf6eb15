"""What API and page do with webhooks alike: addresses are checked, and a test waits for its answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping

from jobs.errors import InvalidRequest
from jobs.protocol.ids import new_job_id
from jobs.requests.generation import CreateRequest
from jobs.storage.webhooks.deliveries import WebhookDeliveries
from jobs.storage.webhooks.endpoints import Endpoint, WebhookEndpoints
from jobs.webhooks.address import check_url
from jobs.webhooks.events import check_event_types
from web.context import WebContext

_LONGEST_NAME = 255
# A worker looks every second, and then has some seconds for the answer.
_TEST_SECONDS = 20.0
_POLL_SECONDS = 0.1


def check_own_address(context: WebContext, owner: str, create: CreateRequest) -> None:
    """Raises InvalidRequest when a request names an address that cannot be told, or that nothing would sign for."""
    url = create.penstock.webhook if create.penstock else None
    if url is None:
        return
    check_url(url, allow_private=context.settings.webhook_allow_private, param="penstock.webhook")
    if WebhookEndpoints(context.database).job_secret(owner) is None:
        words = "Nothing signs 'penstock.webhook' yet: make the secret for it with POST /v1/webhook_secret"
        raise InvalidRequest(f"{words}, `penstock webhooks secret`, or at /webhooks.", param="penstock.webhook")


def create_endpoint(
    context: WebContext, owner: str, name: str, url: str, event_types: Sequence[str]
) -> tuple[Endpoint, str]:
    """A new endpoint of the owner, and its secret, which is shown this once. Raises InvalidRequest."""
    _check(context, {"name": name, "url": url, "event_types": list(event_types)})
    return WebhookEndpoints(context.database).create(owner, name, url, event_types)


def change_endpoint(context: WebContext, owner: str, endpoint_id: str, values: dict[str, Any]) -> Endpoint:
    """Give an endpoint another `name`, `url` or `event_types`. Raises InvalidRequest, NotFound."""
    _check(context, values)
    return WebhookEndpoints(context.database).change(owner, endpoint_id, values)


def _check(context: WebContext, values: dict[str, Any]) -> None:
    name = values.get("name")
    if name is not None and not (0 < len(name) <= _LONGEST_NAME and name.isprintable()):
        raise InvalidRequest(f"'name' is a line of 1 to {_LONGEST_NAME} characters.", param="name")
    if "url" in values:
        check_url(values["url"], allow_private=context.settings.webhook_allow_private)
    if "event_types" in values:
        check_event_types(values["event_types"])


def test_endpoint(context: WebContext, owner: str, endpoint_id: str, event_type: str) -> RowMapping:
    """The row of a delivery, as soon as it has been tried once; its event tells of a job that there is not.

    Raises InvalidRequest when no worker has tried it in time; NotFound.
    """
    deliveries = WebhookDeliveries(context.database)
    endpoint = WebhookEndpoints(context.database).get(owner, endpoint_id)
    check_event_types([event_type])
    sample = new_job_id() if event_type.startswith("response.") else f"batch_{'0' * 32}"
    delivery_id = deliveries.try_once(owner, endpoint.id, event_type, sample)
    deadline = time.monotonic() + _TEST_SECONDS
    while (row := deliveries.get(owner, delivery_id))["due_at"] is not None:
        if time.monotonic() > deadline:
            raise InvalidRequest("No worker has sent it yet: it is sent when one runs; see /v1/webhook_deliveries.")
        time.sleep(_POLL_SECONDS)
    return row

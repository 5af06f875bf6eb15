"""Signatures as OpenAI's SDKs check them."""

from __future__ import annotations

import time

import pytest
from openai import InvalidWebhookSignatureError, OpenAI

from jobs.webhooks.events import EVENT_TYPES, body_of
from jobs.webhooks.signature import hint_of, new_secret, signed_headers

DELIVERY = "wh_01a217f46d6736057d227a377a9a4951"


def test_a_signature_is_that_of_the_known_vector() -> None:
    body = body_of(DELIVERY, "response.completed", 1795698000.7, "resp_01a217f46d6736057d227a377a9a495145e4f480")
    secret = "whsec_cGVuc3RvY2stdGVzdC12ZWN0b3Itc2VjcmV0LTMyYnk="
    assert signed_headers(DELIVERY, 1795698000, body, [secret]) == {
        "webhook-id": DELIVERY,
        "webhook-timestamp": "1795698000",
        "webhook-signature": "v1,CPHh/yZuEd2ZtGJoxOGEwpraa90naSrSMCWqARUPf9s=",
    }


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_official_client_unwraps_every_event_with_any_good_secret(event_type: str) -> None:
    old, new = new_secret(), new_secret()
    body = body_of(DELIVERY, event_type, time.time(), "an_id")
    headers = signed_headers(DELIVERY, int(time.time()), body, [new, old])
    with OpenAI(api_key="any") as client:
        for secret in (old, new):
            event = client.webhooks.unwrap(body, headers, secret=secret)
            assert event.type == event_type
            assert event.data.id == "an_id"  # type: ignore[union-attr]
            assert type(event).__name__.lower() == event_type.replace(".", "") + "webhookevent"
        with pytest.raises(InvalidWebhookSignatureError):
            client.webhooks.unwrap(body, headers, secret=new_secret())


def test_a_hint_tells_secrets_apart_and_hides_them() -> None:
    secret = new_secret()
    assert hint_of(secret) == f"whsec_…{secret[-4:]}"

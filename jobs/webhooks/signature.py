"""Standard Webhooks: secrets, and the headers that prove who sent a body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

_PREFIX = "whsec_"
_SECRET_BYTES = 32
_HINT_CHARACTERS = 4


def new_secret() -> str:
    """A new secret, as its owner gives it to `client.webhooks.unwrap`."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def hint_of(secret: str) -> str:
    """What may be shown of a secret, so that its owner knows which one it is."""
    return f"{_PREFIX}…{secret[-_HINT_CHARACTERS:]}"


def signed_headers(delivery_id: str, timestamp: int, body: bytes, signing_secrets: Iterable[str]) -> dict[str, str]:
    """The headers of one attempt at `timestamp` (Unix seconds), signed with each secret that is good at the moment."""
    signed = b".".join([delivery_id.encode(), str(timestamp).encode(), body])
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in signing_secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()

"""Who may ask: no foreign web page, and with `PENSTOCK_AUTH=keys` nobody without a key."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request

from jobs.settings import LOOPBACK, Settings
from jobs.storage.api_keys import ApiKeys
from web.errors import NoAccess
from web.pages.signin import signed_in

LOCAL_OWNER = "local"


def check_origin(request: Request, settings: Settings) -> None:
    """Refuse what another web page sends. Raises NoAccess.

    Without sign-in, being reached as this machine is all the protection there is: a foreign `Host` means that
    a name was made to point here, a foreign `Origin` that somebody else's page sent the request.
    """
    if settings.auth == "off" and _hostname(f"//{request.host}") not in LOOPBACK:
        raise NoAccess(
            403,
            "foreign_host",
            f"This server answers at http://127.0.0.1 and http://localhost only, not as '{request.host}'; "
            "set PENSTOCK_AUTH=keys to serve other names.",
        )
    origin = request.headers.get("Origin")
    context = request.headers.get("Sec-Fetch-Site", "none")
    foreign = request.method != "GET" and context not in ("same-origin", "none")  # a link to here is welcome
    if foreign or (origin is not None and urlsplit(origin).netloc != request.host):
        raise NoAccess(403, "foreign_origin", "Requests of other web pages are refused.")


def owner_of(request: Request, settings: Settings, keys: ApiKeys) -> str:
    """Whose jobs this request may see: by the key that it brings, else by the browser's cookie. Raises NoAccess."""
    if settings.auth == "off":
        return LOCAL_OWNER
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        key = keys.find(secret.strip())
        owner = key.owner if key else None
    else:
        owner = signed_in(keys)
    if owner is None:
        raise NoAccess(401, "invalid_api_key", "Send a valid key: 'Authorization: Bearer sk-penstock-...'.")
    return owner


def is_operator(settings: Settings, owner: str) -> bool:
    """Whether an owner may pause queues, and see the names of workers: on one's own machine everybody."""
    return settings.auth == "off" or owner in settings.operators


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None

"""Who may ask: no foreign web page, and with `PENSTOCK_AUTH=keys` nobody without a key."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Request, session

from jobs.errors import BadSetting
from jobs.settings import LOOPBACK, Settings
from jobs.storage.api_keys import ApiKeys
from web.errors import NoAccess

LOCAL_OWNER = "local"
# What the signed cookie holds: the id of the key that was pasted, so that revoking the key ends the session.
KEY_ID = "key"
_SECRET_BYTES = 32


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


def signed_in(keys: ApiKeys) -> str | None:
    """Whose browser this is; None for one that has not signed in, or whose key was revoked since."""
    key_id = session.get(KEY_ID)
    return keys.owner_of(key_id) if key_id else None


def set_up_cookies(app: Flask, settings: Settings) -> None:
    """Sign the application's cookies with the secret of the data directory, made at the first start.

    Web processes on several machines share it by PENSTOCK_SECRET. Raises BadSetting when it cannot be kept.
    """
    app.secret_key = settings.secret or _secret_in(settings.data / "secret")
    app.config.update(
        SESSION_COOKIE_NAME="penstock",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
    )


def _secret_in(path: Path) -> str:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written beside and linked into place: of two processes that start at once, one is first, and none reads half.
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(_SECRET_BYTES))
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
        return path.read_text()
    except OSError as error:
        raise BadSetting(f"PENSTOCK_DATA: cannot keep a secret in {path}: {error.strerror}") from error

"""Who may ask: no foreign web page, and with `PENSTOCK_AUTH=keys` nobody without a key."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import flask
from flask import Flask, Request, session
from flask.sessions import SecureCookieSessionInterface

from jobs.errors import BadSetting
from jobs.settings import LOOPBACK, Settings
from jobs.storage.access.api_keys import ApiKey, ApiKeys
from jobs.storage.access.sessions import LIFETIME_SECONDS, Sessions
from web.errors import NoAccess

LOCAL_OWNER = "local"
# What the signed cookie holds: the token of a session in the database.
SESSION_TOKEN = "session"  # noqa: S105  (a name)
_SECRET_BYTES = 32
# Headers that only a proxy sets, spelled as WSGI hands them over; with X-Forwarded-*.
_PROXY_HEADERS = ("Forwarded", "Via", "X-Real-Ip")


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request has shown: whose it is, and the key or the session that says so; none where sign-in is off."""

    owner: str
    secret: str = ""
    token: str = ""

    @property
    def name(self) -> str:
        """One name for each key or session."""
        return f"{self.secret}:{self.token}"


def check_origin(request: Request, settings: Settings) -> None:
    """Refuse what another web page sends, and without sign-in what comes from elsewhere. Raises NoAccess.

    Without sign-in, being reached as this machine is all the protection there is: a foreign `Host` means that a name
    was made to point here, a proxy's header that somebody has opened this server to others.
    """
    if settings.auth == "off":
        _check_local(request)
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    if request.method != "GET" and site not in ("same-origin", "none"):  # a link to here is welcome
        raise NoAccess(403, "foreign_origin", "Requests of other web pages are refused.")
    if origin is not None and _location(origin) != request.host:
        raise NoAccess(
            403,
            "foreign_origin",
            f"Requests of other web pages are refused: this one comes from '{origin[:100]}', and the server was "
            f"reached as '{request.host[:100]}'. If both are this server behind a proxy, let the proxy pass the name "
            "on (nginx: proxy_set_header Host $http_host;), or X-Forwarded-Host with PENSTOCK_TRUSTED_PROXIES=1.",
        )


def _check_local(request: Request) -> None:
    names = (name for name, _ in request.headers)
    header = next((name for name in names if name in _PROXY_HEADERS or name.startswith("X-Forwarded-")), None)
    if header is not None:
        raise NoAccess(
            403,
            "proxied_without_sign_in",
            f"This request came through a proxy ('{header}'), and sign-in is off: anybody could read and write here. "
            "Set PENSTOCK_AUTH=keys and make a key with `penstock keys create NAME`.",
        )
    if _hostname(f"//{request.host}") not in LOOPBACK:
        raise NoAccess(
            403,
            "foreign_host",
            f"This server answers at http://127.0.0.1 and http://localhost only, not as '{request.host[:100]}'; "
            "set PENSTOCK_AUTH=keys to serve other names.",
        )


def credential_of(request: Request, settings: Settings, keys: ApiKeys, sessions: Sessions) -> Credential:
    """Whose jobs this request may see: by the key that it brings, else by the browser's session. Raises NoAccess."""
    if settings.auth == "off":
        return Credential(LOCAL_OWNER)
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        credential = Credential("", secret=secret.strip())
    else:
        credential = Credential("", token=str(session.get(SESSION_TOKEN, "")))
    key = key_of(credential, keys, sessions)
    if key is None:
        raise NoAccess(401, "invalid_api_key", "Send a valid key: 'Authorization: Bearer sk-penstock-...'.")
    return Credential(key.owner, credential.secret, credential.token)


def key_of(credential: Credential, keys: ApiKeys, sessions: Sessions) -> ApiKey | None:
    """The key behind a credential, as it is now; None when it is revoked, or the session over."""
    if credential.secret:
        return keys.find(credential.secret)
    return sessions.key_of(credential.token) if credential.token else None


def is_operator(settings: Settings, owner: str) -> bool:
    """Whether an owner may pause queues, and see the names of workers: on one's own machine everybody."""
    return settings.auth == "off" or owner in settings.operators


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _location(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


class _SessionCookie(SecureCookieSessionInterface):
    """The session's cookie, for the path below which the proxy shows this site."""

    def get_cookie_path(self, app: Flask) -> str:
        """The prefix `__Host-` wants the root."""
        return "/" if app.config["SESSION_COOKIE_SECURE"] else flask.request.script_root or "/"


def set_up_cookies(app: Flask, settings: Settings) -> None:
    """Sign the application's cookies with the secret of the data directory, made at the first start.

    Web processes on several machines share it by PENSTOCK_SECRET. Raises BadSetting when it cannot be kept.
    """
    app.secret_key = settings.secret or _secret_in(settings.data / "secret")
    app.session_interface = _SessionCookie()
    app.config.update(
        # A browser takes a cookie of this prefix from this very host alone, and only over TLS.
        SESSION_COOKIE_NAME="__Host-penstock" if settings.secure_cookies else "penstock",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        PERMANENT_SESSION_LIFETIME=LIFETIME_SECONDS,
    )


def _secret_in(path: Path) -> str:
    try:
        with suppress(FileNotFoundError):  # a full disk lets it be read, but no draft be written
            return path.read_text()
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

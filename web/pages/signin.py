"""Sign-in of a browser: a key is pasted once, and a signed cookie stands for it until it is revoked."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, redirect, render_template, request, session

from jobs.errors import BadSetting
from jobs.settings import Settings
from jobs.storage.api_keys import ApiKeys
from web.context import WebContext
from web.pages.i18n import _

KEY = "key"
_SECRET_BYTES = 32


class SignIn:
    """The handlers of `/signin` and `/signout`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def routes(self) -> Blueprint:
        """The handlers at their addresses."""
        pages = Blueprint("signin", __name__)
        pages.get("/signin")(self.form)
        pages.post("/signin")(self.enter)
        pages.post("/signout")(self.leave)
        return pages

    def form(self) -> str:
        """Ask for the key."""
        return render_template("signin.html")

    def enter(self) -> Any:
        """Take the key for the cookie. The key itself is kept nowhere."""
        found = self._context.keys.find(request.form.get("key", "").strip())
        if found is None:
            return render_template("signin.html", problem=_("That key is not valid, or it was revoked.")), 401
        session[KEY], session.permanent = found.id, True
        return redirect("/", 303)

    def leave(self) -> Any:
        """Forget the key."""
        session.clear()
        return redirect("/signin", 303)


def signed_in(keys: ApiKeys) -> str | None:
    """Whose browser this is; None for one that has not signed in, or whose key was revoked since."""
    key_id = session.get(KEY)
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

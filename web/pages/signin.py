"""Sign-in of a browser: a key is pasted once, and a signed cookie stands for it until it is revoked."""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template, request, session, url_for

from web.auth import SESSION_TOKEN
from web.context import WebContext
from web.pages.i18n import _


class SignIn:
    """The handlers of `/signin` and `/signout`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def form(self) -> str:
        """Ask for the key."""
        return render_template("signin.html")

    def enter(self) -> Any:
        """Take the key for the cookie. The key itself is kept nowhere."""
        key = self._context.keys.find(request.form.get("key", "").strip())
        if key is None:
            return render_template("signin.html", problem=_("That key is not valid, or it was revoked.")), 401
        session[SESSION_TOKEN] = self._context.sessions.begin(key.id)
        session.permanent = True
        return redirect(url_for("home.show"), 303)

    def leave(self) -> Any:
        """End the session, also for whoever has a copy of its cookie."""
        self._context.sessions.end(str(session.get(SESSION_TOKEN, "")))
        session.clear()
        return redirect(url_for("signin.form"), 303)

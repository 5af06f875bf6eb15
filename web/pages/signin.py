"""Sign-in of a browser: a key is pasted once, and a signed cookie stands for it until it is revoked."""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template, request, session

from web.auth import KEY_ID
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
        session[KEY_ID], session.permanent = key.id, True
        return redirect("/", 303)

    def leave(self) -> Any:
        """Forget the key."""
        session.clear()
        return redirect("/signin", 303)

"""What stands around every page: the navigation, the language, the theme, what there is to know about this site."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Flask, Response, redirect, render_template, request, session, url_for

from jobs.errors import InvalidRequest
from web.auth import SESSION_TOKEN
from web.context import WebContext
from web.pages import dates
from web.pages.i18n import COOKIE, LANGUAGES, _, language, script_words, with_code

_THEME_COOKIE = "theme"
_THEMES = ("light", "dark")
_SYSTEM = "system"
_YEAR_SECONDS = 365 * 86400
# An address on this site: another site's would begin with a scheme, or with two slashes of either kind.
_OURS = re.compile(r"/(?![/\\])[^\\\x00-\x20]*")


class Layout:
    """What templates know, and the handlers of `/language` and `/theme`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def install(self, app: Flask) -> None:
        """Give the templates of an application their values, filters and translations."""
        app.context_processor(self._values)
        for template_filter in (dates.age, dates.day, dates.duration, dates.moment, with_code):
            app.add_template_filter(template_filter)
        app.add_template_global(_, "_")
        app.after_request(_readable)

    def _values(self) -> dict[str, Any]:
        settings = self._context.settings
        return {
            "demo": settings.demo,
            "signed_in": SESSION_TOKEN in session,
            "is_open": settings.auth == "off" or SESSION_TOKEN in session,
            "language": language(),
            "theme": _theme(),
            "languages": LANGUAGES,
            "script_words": script_words(),
            "here": _address(),
        }

    def choose(self) -> Any:
        """Remember the language that was chosen, and go back to the page where it was."""
        return self._remember("language", COOKIE, tuple(LANGUAGES))

    def choose_theme(self) -> Any:
        """Remember whether pages are light or dark, whatever the system is, and go back to the page where it was."""
        return self._remember("theme", _THEME_COOKIE, (*_THEMES, _SYSTEM))

    def _remember(self, name: str, cookie: str, choices: Sequence[str]) -> Any:
        choice = request.form.get(name, "")
        if choice not in choices:
            raise InvalidRequest(f"'{name}' must be one of {', '.join(choices)}.", param=name)
        answer = redirect(place_here(request.form.get("next", ""), url_for("home.show")), 303)
        answer.set_cookie(
            cookie,
            choice,
            max_age=_YEAR_SECONDS,
            path=request.script_root or "/",
            secure=self._context.settings.secure_cookies,
            httponly=True,
            samesite="Lax",
        )
        return answer


def _readable(response: Response) -> Response:
    """An error that a browser shows to a person as a page; what programs get stays as it is."""
    is_page = "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/v1/")
    if response.status_code < 400 or not (is_page and response.is_json):
        return response
    error = response.get_json().get("error")
    if not error:  # the health of the parts is no error of ours
        return response
    heading = {404: _("There is no such page."), 429: "", 503: ""}.get(response.status_code, _("That did not work."))
    response.set_data(render_template("limited.html", heading=heading, problem=_problem(response.status_code, error)))
    response.mimetype = "text/html"
    return response


def _problem(status: int, error: Mapping[str, Any]) -> str:
    if error.get("code") == "disk_full":
        return _("The server's disk is full: nothing new is taken until there is room. Deleting jobs makes room.")
    if status == 503:
        return _("The database cannot be reached or written. Try again soon.")
    return str(error["message"])


def _theme() -> str:
    """The theme that was chosen; empty for the system's."""
    choice = request.cookies.get(_THEME_COOKIE, "")
    return choice if choice in _THEMES else ""


def _address() -> str:
    """The address of this page, to come back to; the first page's behind a form that was sent."""
    return request.script_root + request.full_path.rstrip("?") if request.method == "GET" else url_for("home.show")


def place_here(address: str, otherwise: str = "/") -> str:
    """An address to go back to, if it is one on this site."""
    return address if _OURS.fullmatch(address) else otherwise

"""`/system`: what works and what waits. Of all owners at once, so it names nobody's jobs but one's own."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, g, redirect, render_template, request, url_for

from jobs.errors import InvalidRequest
from jobs.storage.statistics import Statistics
from web.api import render
from web.api.system import SystemState, system_object
from web.auth import is_operator
from web.context import WebContext
from web.errors import NoAccess
from web.pages.i18n import _


class SystemPage:
    """The handlers of `/system`, of its buttons, and of the same as JSON."""

    def __init__(self, context: WebContext) -> None:
        self._settings = context.settings
        self._statistics = Statistics(context.database)
        self._state = SystemState(context)

    def show(self) -> str:
        """How everything is, for a person."""
        return render_template("system.html", **self._state.read(g.owner), operates=self._operates())

    def document(self) -> Response:
        """The same for a program."""
        return render.json(system_object(self._state.read(g.owner), operates=self._operates()))

    def switch(self) -> Any:
        """The buttons that pause a queue, and let it go on."""
        if not self._operates():
            raise NoAccess(403, "no_operator", "Only an owner named in PENSTOCK_OPERATORS pauses queues.")
        queue = request.form.get("queue", "")
        action = request.form.get("act")
        if action not in ("pause", "resume"):
            raise InvalidRequest("'act' must be pause or resume.", param="act")
        if action == "pause":
            self._statistics.pause(queue)
            flash(_("The queue {name} is paused: what runs goes on, nothing is begun.", name=queue))
        else:
            self._statistics.resume(queue)
            flash(_("The queue {name} goes on.", name=queue))
        return redirect(url_for("system.show"), 303)

    def _operates(self) -> bool:
        return is_operator(self._settings, g.owner)

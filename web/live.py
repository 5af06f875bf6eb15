"""`GET /jobs/{id}/live`: the stream of a job's page. Only the page may rely on it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flask import Blueprint, Response, g, request

from jobs.errors import InvalidRequest
from jobs.record import Job
from web import sse
from web.screen import Picture, Screen
from web.site import Site

_CURSOR = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}")
# To render the whole of a job that has ended.
_END_SECONDS = 30.0


class Live:
    """The stream's one address."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> Blueprint:
        """The handler at its address."""
        live = Blueprint("live", __name__)
        live.get("/jobs/<job_id>/live")(self.stream)
        return live

    def stream(self, job_id: str) -> Response:
        """Blocks behind the cursor as they are finished, and what moves; 204 when an ended job has no more of them."""
        job, cursor = self._site.store.get(g.owner, job_id), _cursor()
        if job.status.is_terminal and cursor:
            with self._site.screens.watch(job) as screen:
                screen.reach(_NEVER, _END_SECONDS)
                place = screen.place(cursor)
                if place is None:
                    raise InvalidRequest(f"This job has no block '{cursor}'.", param="after")
                if place == screen.picture().position:
                    return Response(status=204)
        return sse.framed(_pictures(self._site, job, cursor))


def _pictures(site: Site, job: Job, cursor: str) -> Iterator[bytes]:
    """What a viewer has not seen yet, all of it in one piece each time."""
    with site.screens.watch(job) as screen:
        seen: Picture | None = None
        while True:
            picture = screen.picture()
            seen = seen or _start(screen, cursor)

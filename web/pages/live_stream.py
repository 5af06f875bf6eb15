"""The stream of a job's page: `GET /jobs/{id}/live`. Only the page may rely on it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace

from flask import Response, request

from jobs.errors import InvalidRequest
from jobs.job import Job
from web.context import WebContext
from web.live.live_page import PageSnapshot
from web.relay import sse

_CURSOR = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}")
# To render all of a job that has ended.
_WHOLE_SECONDS = 30.0


def stream(context: WebContext, job: Job) -> Response:
    """Blocks behind the cursor as they are finished, and what moves; 204 when an ended job has no more of them.

    The cursor is `Last-Event-ID`, else `after`. Raises InvalidRequest.
    """
    cursor = _cursor()
    if job.status.is_terminal and cursor:
        with context.live_pages.watch(job) as live_page:
            live_page.reach(sys.maxsize, _WHOLE_SECONDS)
            place = live_page.place(cursor)
            if place is None:
                raise InvalidRequest(f"This job has no block {cursor}.", param="after")
            if place == live_page.snapshot().position:
                return Response(status=204)
    return sse.framed(_pictures(context, job, cursor))


def _pictures(context: WebContext, job: Job, cursor: str) -> Iterator[bytes]:
    """Each time all that a viewer has not seen yet, in one piece."""
    with context.live_pages.watch(job) as live_page:
        seen = PageSnapshot()
        while True:
            snapshot, place = live_page.snapshot(), live_page.place(cursor)
            if place is None or place > snapshot.position:
                # Another process has read the log further: what follows has to wait.
                snapshot = replace(snapshot, position=0, tails={})
            elif seen.position < place:
                seen = replace(seen, position=place)
            if news := live_page.since(seen, snapshot):
                yield news
            seen = snapshot
            if snapshot.over:
                return
            live_page.wait(snapshot)


def _cursor() -> str:
    """The name of the last block that the viewer has; empty if it has none. Raises InvalidRequest."""
    last, given = request.headers.get("Last-Event-ID"), request.args.getlist("after")
    name, value = ("Last-Event-ID", last) if last else ("after", given[0] if given else "")
    if len(given) > 1 or (value and not _CURSOR.fullmatch(value)):
        raise InvalidRequest(f"'{name}' must be the name of one block: <output_index>.<block>.", param=name)
    return value

"""The stream of a job's page: `GET /jobs/{id}/live`. Only the page may rely on it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from flask import Flask, Response, current_app, g, request
from markupsafe import Markup

from jobs.errors import InvalidRequest, JobNotFound
from jobs.job import Job
from jobs.protocol.fold import CALL
from jobs.protocol.ids import is_job_id
from jobs.status.details import StatusDetails
from web.context import WebContext
from web.live.live_page import PageSnapshot, PageState, StateFrame
from web.live.merged import Frames, merged
from web.pages.i18n import _, language, with_code
from web.relay import sse

_CURSOR = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}")
_MOST_TOGETHER = 50
# To render all of a job that has ended.
_WHOLE_SECONDS = 30.0


def stream(context: WebContext, job: Job) -> Response:
    """What is on the job's own page: all items, and the state with its words. Raises InvalidRequest."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  (documented for this)
    return stream_of(context, job, _state_frames(app, language(), planned=bool(job.request.plan)))


def stream_of(context: WebContext, job: Job, state_frame: StateFrame, *, only_messages: bool = False) -> Response:
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
    context.telemetry.follows(job)
    return sse.framed(_changes(context, job, cursor, state_frame, only_messages=only_messages))


def stream_together(context: WebContext, owner: str, wanted: Sequence[str]) -> Response:
    """The same of several jobs, each named with the last block that the viewer has: `ID:BLOCK`.

    Before frames of another job than the last ones comes an event `job` with its id; an `end` is behind the last frame
    of a job, and all there is of one that is not there. Raises InvalidRequest.
    """
    if not 0 < len(wanted) <= _MOST_TOGETHER:
        raise InvalidRequest(f"'job' must be given 1 to {_MOST_TOGETHER} times.", param="job")
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  (documented for this)
    sources: dict[str, Frames] = {}
    for one in wanted:
        job_id, colon, cursor = one.partition(":")
        if not colon or not is_job_id(job_id) or (cursor and not _CURSOR.fullmatch(cursor)):
            raise InvalidRequest("'job' must be the id of a job, a colon, and a block's name or nothing.", param="job")
        sources[job_id] = _nothing()
        with suppress(JobNotFound):
            job = context.store.get(owner, job_id)
            frames = _state_frames(app, language(), planned=bool(job.request.plan))
            sources[job_id] = _changes(context, job, cursor, frames)
    return sse.framed(merged(sources))


def _changes(
    context: WebContext, job: Job, cursor: str, state_frame: StateFrame, *, only_messages: bool = False
) -> Frames:
    """Each time all that a viewer has not seen yet, in one piece."""
    with context.live_pages.watch(job) as live_page:
        seen = PageSnapshot()
        while True:
            snapshot = live_page.snapshot()
            place = live_page.place(cursor)
            if place is None or place > snapshot.position:
                # Another process has read the log further: what follows has to wait.
                snapshot = replace(snapshot, position=0, tails={})
            elif seen.position < place:
                seen = replace(seen, position=place)
            if frames := live_page.since(seen, snapshot, state_frame, only_messages=only_messages):
                yield frames
            seen = snapshot
            if snapshot.over:
                return
            live_page.wait(snapshot)


def _nothing() -> Frames:
    yield from ()


def _state_frames(app: Flask, viewer_language: str, *, planned: bool) -> StateFrame:
    """What makes the frame of a state: with its facts and the items' labels in a language, once for all its viewers."""

    def frame(state: PageState) -> bytes:
        if viewer_language not in state.frames:
            with app.app_context():  # a stream outlives its request, and with it what the request knew
                g.language = viewer_language
                facts = app.jinja_env.get_template("facts.html").render(state=state.values)
                items = [{**item, **labels(item, planned=planned)} for item in state.values["items"]]
                told = {"items": items, "facts": facts, "details": said(state.values["details"])}
            state.frames[viewer_language] = sse.event_frame("state", {**state.values, **told})
        return state.frames[viewer_language]

    return frame


def said(details: StatusDetails) -> Markup:
    """What the page says of the status, as HTML; empty when the status alone says all."""
    return Markup() if details.is_plain else with_code(details.sentence(_))


def labels(item: Mapping[str, Any], *, planned: bool) -> dict[str, str]:
    """The words above an item that can be folded: what it is, and why it was begun again."""
    name = _("Plan") if planned and item["section"] == 0 else _("Reasoning")
    if item["type"] == CALL:
        name = _("Call of {name}", name=item["name"])
    again = _("Begun again")
    return {
        "label": f"{name} · {item['title']}" if item["title"] else name,
        "replaces_label": f"{again}: {_(item['reason'])}" if item["reason"] else again,
    }


def _cursor() -> str:
    """The name of the last block that the viewer has; empty if it has none. Raises InvalidRequest."""
    last = request.headers.get("Last-Event-ID")
    values = request.args.getlist("after")
    name, value = ("Last-Event-ID", last) if last else ("after", values[0] if values else "")
    if len(values) > 1 or (value and not _CURSOR.fullmatch(value)):
        raise InvalidRequest(f"'{name}' must be the name of one block: <output_index>.<block>.", param=name)
    return value

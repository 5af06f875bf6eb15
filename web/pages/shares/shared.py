"""`/s/{token}`: the text of a shared job, live, and its files: nothing of its owner, its request or this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Response, make_response, render_template, request

from jobs.errors import JobNotFound
from jobs.job import Job
from jobs.storage.shares.shares import Shares
from web.context import WebContext
from web.live.live_page import PageState
from web.live.rendered_item import RenderedItem, safe
from web.pages.export import html_file, text_file
from web.pages.i18n import _
from web.pages.job_view import rendered_items, running_items
from web.pages.live_stream import stream_of
from web.pages.reports.document_file import DOCUMENTS, document_file
from web.relay import sse

_HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow, noarchive"}
_HEADING = re.compile(r"<h[1-6][^>]*>(.*?)</h[1-6]>", re.DOTALL)
# Among the frames of a state, which are kept by language: this one has no words.
_SHARED = "shared"


class SharedPages:
    """The handlers of `/s/{token}`. Whoever has the link may ask; no cookie is set."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._shares = Shares(context.database)

    def show(self, token: str) -> Response:
        """The text, as it is written."""
        job = self._job(token)
        if job is None:
            return _missing()
        cursor = ""
        if job.response is None:
            items, _state, cursor, _blocks = running_items(self._context, job)
        else:
            items = rendered_items(self._context, job)
        messages = [item for item in items if item.summary["type"] == "message" and item.again is None]
        state = {"status": job.status, "items": [item.summary for item in messages]}
        view = {"token": token, "ended": job.response is not None, "cursor": cursor, "state": _visible(state)}
        return _unlisted(render_template("shared.html", title=_title(messages), rendered_items=messages, **view))

    def live(self, token: str) -> Response:
        """What is on that page, as it changes."""
        job = self._job(token)
        if job is None:
            return _missing()
        return self._ending_with_share(token, stream_of(self._context, job, _state_frame, only_messages=True))

    def download(self, token: str, suffix: str) -> Response:
        """The text as a file."""
        job = self._job(token)
        if job is None:
            return _missing()
        if suffix in ("html", *DOCUMENTS):
            items = rendered_items(self._context, job)
            name = _title(items)
            is_document = suffix in DOCUMENTS
            file = (
                document_file(self._context, job, suffix, shared_title=name) if is_document else html_file(name, items)
            )
            return _unlisted(file)
        return self._ending_with_share(token, text_file(self._context, job, suffix))

    def _job(self, token: str) -> Job | None:
        """The job behind a token; None when there is none, or none any more."""
        if (share := self._shares.find(token)) is None:
            return None
        with suppress(JobNotFound):  # it was deleted just now
            return self._context.store.get(share.owner, share.job_id)
        return None

    def _ending_with_share(self, token: str, response: Response) -> Response:
        """The stream, which ends when its share is taken back or expires."""
        connection = request.environ.get("gunicorn.socket")
        if connection is not None:
            permission = partial(self._shares.find, token)
            response.call_on_close(self._context.open_streams.add(connection, f"share:{token}", permission))
        return _unlisted(response)


def _missing() -> Response:
    return _unlisted((render_template("shared_missing.html"), 404))


def _unlisted(answer: Any) -> Response:
    """The answer, with no word to other sites and to search engines."""
    response = make_response(answer)
    response.headers.update(_HEADERS)
    return response


def _title(items: Sequence[RenderedItem]) -> str:
    """The first heading of the text. A job's own title may be what was asked, which is not shared."""
    headings = (_HEADING.search(item.html) for item in items if item.summary["type"] == "message")
    first = next(filter(None, headings), None)
    return safe(first[1]).striptags() if first else _("A shared text")


def _state_frame(state: PageState) -> bytes:
    """The frame of what others may see of a state, made once for all of them."""
    if _SHARED not in state.frames:
        state.frames[_SHARED] = sse.event_frame("state", _visible(state.values))
    return state.frames[_SHARED]


def _visible(state: Any) -> dict[str, Any]:
    """The status, and of each message where it belongs, whether it is being written, and how long it is."""
    replaced = {item["replaces"] for item in state["items"]}
    messages = [item for item in state["items"] if item["type"] == "message" and item["id"] not in replaced]
    items = [{name: item[name] for name in ("index", "section", "status", "words")} for item in messages]
    return {"status": state["status"], "items": items, "words": sum(item["words"] for item in items)}

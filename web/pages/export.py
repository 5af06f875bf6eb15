"""A job's text as a file: as it was written, or as HTML that needs nothing else, to keep, to print, to send."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from flask import Response, render_template
from markupsafe import Markup

from jobs.job import Job
from jobs.protocol import events
from jobs.protocol.reading_order import ReadingOrder
from jobs.requests.prompts import language_of
from web.context import WebContext
from web.live.rendered_item import RenderedItem
from web.snapshot import snapshot

_STATIC = Path(__file__).parent.parent / "static"


def text_file(context: WebContext, job: Job, suffix: str) -> Response:
    """The text alone as `md` or `txt`, that of a running job as it is written."""
    context.telemetry.follows(job)
    order = ReadingOrder(snapshot(context, job))
    frames = (frame for piece in context.relay.follow(job) for frame in events.split(piece))
    body = (order.feed(event).encode() for event in events.events_of(frames))
    kind = "text/markdown" if suffix == "md" else "text/plain"
    return Response(filter(None, body), content_type=f"{kind}; charset=utf-8")


def html_file(title: str, rendered_items: Sequence[RenderedItem]) -> Response:
    """The file. Its one style sheet stands in it; nothing in it runs or loads."""
    style = _style()
    text = "".join(item.html for item in rendered_items if item.summary["type"] == "message")
    sheet = Markup(style)  # noqa: S704  (our own)
    file = render_template(
        "export.html", title=title, text_language=language_of(text), style=sheet, rendered_items=rendered_items
    )
    answer = Response(file, mimetype="text/html")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return answer


@cache
def _style() -> str:
    return "".join((_STATIC / name).read_text(encoding="utf-8") for name in ("page.css", "text.css"))

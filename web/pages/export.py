"""A job's text as one HTML file that needs nothing else: to keep, to print, to send."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from flask import Response, render_template
from markupsafe import Markup

from jobs.requests.prompts import language_of
from web.live.rendered_item import Passage

_STATIC = Path(__file__).parent / "static"


def html_file(title: str, passages: Sequence[Passage]) -> Response:
    """The file. Its one style sheet stands in it; nothing in it runs or loads."""
    style, text = _style(), "".join(passage.html for passage in passages if passage.line["type"] == "message")
    spoken = language_of(text)
    file = render_template("export.html", title=title, spoken=spoken, style=Markup(style), passages=passages)  # noqa: S704
    answer = Response(file, mimetype="text/html")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    answer.headers["Content-Security-Policy"] = f"default-src 'none'; style-src 'sha256-{digest}'"
    return answer


@cache
def _style() -> str:
    return "".join((_STATIC / name).read_text(encoding="utf-8") for name in ("page.css", "text.css"))

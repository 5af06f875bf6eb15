"""A job's text as a DOCX or PDF file, or the line that says why there is none."""

from __future__ import annotations

import io
import logging
import re
from datetime import UTC, datetime
from typing import Any

import orjson
from flask import render_template, request, send_file

from jobs.job import Job
from jobs.requests.prompts import language_of
from web.context import WebContext
from web.documents.limited_process import Limits, ProcessFailed, run
from web.errors import envelope
from web.pages.i18n import _
from web.pages.job_view import rendered_items
from web.pages.titles import title

DOCUMENTS = ("docx", "pdf")
_LIMITS = Limits(seconds=60, memory_bytes=1 << 30, output_bytes=64 << 20)
_STATUS = {"busy": 503, "font_missing": 422, "too_long": 422}
# What some file system does not take in a name.
_UNFIT = re.compile(r'[\\/:*?"<>|\x00-\x1f]+')
_log = logging.getLogger(__name__)


def document_file(context: WebContext, job: Job, suffix: str, *, shared_title: str = "") -> Any:
    """The file, made by a process of its own from the HTML of the job's page; a page or an envelope if that fails.

    For others than the owner it has the `shared_title`, and below it no facts.
    """
    name = shared_title or title(job)
    facts = [] if shared_title else [f"{datetime.fromtimestamp(job.created_at, UTC):%Y-%m-%d}", job.request.model or ""]
    sections = [item.html for item in rendered_items(context, job) if item.summary["type"] == "message"]
    asked = {
        "suffix": suffix,
        "title": name,
        "language": language_of("".join(sections)),
        "facts": facts,
        "sections": sections,
    }
    try:
        file = run("web.documents.exports", orjson.dumps(asked), _LIMITS)
    except ProcessFailed as error:
        return _failure(error)
    file_name = _UNFIT.sub("_", name)[:80]
    return send_file(io.BytesIO(file), as_attachment=True, download_name=f"{file_name}.{suffix}")


def _failure(error: ProcessFailed) -> Any:
    if error.code not in _STATUS:
        _log.error("a file could not be made: %s", error.details)
    status, problem = _STATUS.get(error.code, 500), _problem(error)
    if "text/html" in request.headers.get("Accept", ""):
        return render_template("limited.html", problem=problem), status
    return envelope(status, problem, kind="server_error", code=error.code)


def _problem(error: ProcessFailed) -> str:
    match error.code:
        case "busy":
            return _("Too many files are being made just now. Try again in a minute.")
        case "font_missing":
            return _(
                "A PDF needs a font with the letters of the text ({script}), and this server has none: install one "
                "there (on Debian and Ubuntu fonts-dejavu-core, and fonts-noto-cjk for Chinese), or take the DOCX.",
                script=error.details,
            )
        case "too_long":
            return _("The text is too long for a file of this kind. Take Markdown or HTML.")
    return _("The file could not be made. Take Markdown or HTML.")

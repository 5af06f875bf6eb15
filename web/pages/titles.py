"""What to call a job."""

from __future__ import annotations

import re

import orjson

from jobs.job import Job
from jobs.protocol.fold import text_of

_LENGTH = 80
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_MARKS = re.compile(r"[*_`]+")


def title(job: Job) -> str:
    """A job's topic, else the first heading of its text, else the beginning of what was asked."""
    topic = job.request.variables.get("topic")
    text = " ".join(str(topic or _heading(job) or _asked(job) or job.id).split())
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…"


def _heading(job: Job) -> str:
    found = _HEADING.search(text_of(orjson.loads(job.response))) if job.response else None
    return _MARKS.sub("", found[1]) if found else ""


def _asked(job: Job) -> str:
    return next((message["content"] for message in reversed(job.request.messages)), "")

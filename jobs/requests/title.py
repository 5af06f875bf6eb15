"""What to call a job."""

from __future__ import annotations

from jobs.requests.job_request import JobRequest

MAX_LENGTH = 80
# Of a text, and of one line in it: a heading further down, or longer, names nothing.
_TEXT_PREFIX = 20_000
_LINE_PREFIX = 500
_WITHOUT_MARKS = str.maketrans("", "", "*_`")


def title_of(request: JobRequest, text: str = "") -> str:
    """A job's topic, else the heading of its text, else the beginning of what was asked; "" if it has none.

    A heading of a lower level names the text only where it begins it, else one of its parts. Linear, and only in a
    bounded prefix of each.
    """
    topic = str(request.variables.get("topic") or "")
    return _shortened(topic) or _shortened(_heading(text)) or _shortened(_asked(request))


def _heading(text: str) -> str:
    begins = True
    for line in text[:_TEXT_PREFIX].split("\n"):
        begin = line[:_LINE_PREFIX]
        words = begin.lstrip("#")
        marks = len(begin) - len(words)
        title = words.rstrip(" \t#\r").translate(_WITHOUT_MARKS).strip()
        if title and 1 <= marks <= (6 if begins else 1) and words[0] in " \t":
            return title
        begins = begins and not begin.strip()
    return ""


def _asked(request: JobRequest) -> str:
    return next((str(message["content"]) for message in reversed(request.messages)), "")


def _shortened(text: str) -> str:
    words = " ".join(text[:_LINE_PREFIX].split())
    return words if len(words) <= MAX_LENGTH else f"{words[: MAX_LENGTH - 1]}…"

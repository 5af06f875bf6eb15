"""A section of a report that is written again: the model is shown how it was, and told how it shall be."""

from __future__ import annotations

import re

from jobs.requests.job_request import JobRequest
from worker.model.request import ModelRequest

_WISHES = {
    "en": "Write this section again: {wish}\n\nGive only its text, without a heading; keep what the wish leaves alone.",
    "zh": "请重写这一节：{wish}\n\n只给出正文，不写标题；要求没有涉及的内容保持不变。",
}
_HEADINGS = re.compile(r"(?:\s*##? [^\n]*\n+)+")


def with_wish(model_request: ModelRequest, request: JobRequest, section: int) -> ModelRequest:
    """The question for a section of a job with this request, with the wish for it, if there is one."""
    rewrite = request.rewrite or {}
    if rewrite.get("section") != section or "wish" not in rewrite:
        return model_request
    wish = _WISHES.get(request.variables.get("language", ""), _WISHES["en"]).format(wish=rewrite["wish"])
    messages = [
        {"role": "assistant", "content": _as_answered(rewrite["previous"], section)},
        {"role": "user", "content": wish},
    ]
    return model_request.with_messages([*model_request.messages, *messages])


def _as_answered(text: str, section: int) -> str:
    """A section's text as the model gave it: without the headings above it and the number in its labels."""
    body = text[headings.end() :] if (headings := _HEADINGS.match(text)) else text
    return body.replace(f"[^{section}-", "[^")

"""A section of a report that is written again: the model is shown how it was, and told how it shall be.

What else was not finished in the report stays as it was: only that one section is paid for.
"""

from __future__ import annotations

import re

from jobs.job import Status
from jobs.requests.job_request import JobRequest
from worker.model.chunks import Kind
from worker.model.request import ModelRequest
from worker.writing.outcome import Outcome
from worker.writing.section import Section

_WISHES = {
    "en": "Write this section again: {wish}\n\nGive only its text, without a heading; keep what the wish leaves alone.",
    "zh": "请重写这一节：{wish}\n\n只给出正文，不写标题；要求没有涉及的内容保持不变。",
}
# For one that was never finished: there is nothing to be shown.
_FIRST_WISHES = {"en": "Follow this wish: {wish}", "zh": "请按照这个要求来写：{wish}"}
_HEADINGS = re.compile(r"(?:\s*##? [^\n]*\n+)+")


def with_wish(model_request: ModelRequest, request: JobRequest, section: int) -> ModelRequest:
    """The question for a section of a job with this request, with the wish for it, if there is one."""
    rewrite = request.rewrite or {}
    if rewrite.get("section") != section or "wish" not in rewrite:
        return model_request
    wishes = _WISHES if "previous" in rewrite else _FIRST_WISHES
    wish = wishes.get(request.variables.get("language", ""), wishes["en"]).format(wish=rewrite["wish"])
    if "previous" not in rewrite:
        *before, question = model_request.messages
        return model_request.with_messages([*before, {**question, "content": f"{question['content']}\n\n{wish}"}])
    messages = [
        {"role": "assistant", "content": _as_answered(rewrite["previous"], section)},
        {"role": "user", "content": wish},
    ]
    return model_request.with_messages([*model_request.messages, *messages])


def left_unfinished(section: Section, request: JobRequest) -> Outcome | None:
    """How a section ends that is not to be written while another one is: as it was, with the text that it had.

    None for one that is to be written. The text goes the way of a model's, so that a later attempt repeats it unseen.
    """
    unfinished = (request.rewrite or {}).get("unfinished", {}).get(str(section.number))
    if unfinished is None:
        return None
    if unfinished["text"]:
        section.write(Kind.TEXT, unfinished["text"])
    if unfinished["fault"] is not None:
        return Outcome.failed(unfinished["fault"], "section_failed")
    return Outcome(Status.INCOMPLETE, reason=unfinished["reason"])


def _as_answered(text: str, section: int) -> str:
    """A section's text as the model gave it: without the headings above it and the number in its labels."""
    body = text[headings.end() :] if (headings := _HEADINGS.match(text)) else text
    return body.replace(f"[^{section}-", "[^")

"""The output items of a job as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from markupsafe import Markup

from jobs.protocol.fold import CALL, words_of_part
from jobs.protocol.word_count import words_in
from web.live.job_state import ItemSummary, item_summary
from web.markdown.blocks import render_parts


@dataclass(frozen=True, slots=True)
class RenderedItem:
    """The HTML of one output item: what is finished, and what is being written. `again` is why it was begun again."""

    summary: ItemSummary
    html: Markup
    tail: Markup = Markup()
    again: str | None = None


def finished(response: Mapping[str, Any]) -> list[RenderedItem]:
    """The items of a response that does not change any more, each with its own footnotes."""
    output = response["output"]
    answers = [(item["penstock"]["section"], _text(item)) for item in output if item["type"] == "message"]
    html = iter(render_parts(answers))
    return [
        RenderedItem(
            item_summary(index, item, words_in(_text(item))),
            safe(next(html) if item["type"] == "message" else escape(_text(item))),
        )
        for index, item in enumerate(output)
    ]


def weight(rendered_items: Sequence[RenderedItem]) -> int:
    """About how many bytes of memory they take."""
    return sum(2 * len(rendered_item.html) for rendered_item in rendered_items)


def _text(item: Mapping[str, Any]) -> str:
    if item["type"] == CALL:
        arguments: str = item["arguments"]
        return arguments
    return "".join(map(words_of_part, item["content"] or item.get("summary", [])))


def safe(html: str) -> Markup:
    return Markup(html)  # noqa: S704  (made so by web/markdown/renderer.py, or escaped)

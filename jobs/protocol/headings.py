"""The parts of a text that its prompt declares, each under a fixed heading. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jobs.requests.job_request import JobRequest


def noted(request: JobRequest, text: str, *, whole: bool) -> dict[str, Any]:
    """What a response's `penstock` object tells of the parts of its text; {} for a prompt that declares none.

    Of a text that is not `whole` only the parts that are finished: those behind which another has begun.
    """
    headings = request.prompt.parts if request.prompt else None
    return {"parts": parts_of(text, headings, whole=whole)} if headings else {}


def parts_of(text: str, headings: Mapping[str, str], *, whole: bool) -> dict[str, str]:
    """What stands under each heading that begins a line, by the heading's name, in the text's order.

    Markdown's marks and a colon around a heading belong to it; where it comes again it is text.
    """
    names = {heading: name for name, heading in headings.items()}
    longest_first = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    # A heading that ends in a letter has to end a word as well.
    line = re.compile(rf"^[ \t#>*_]*({longest_first})(?:(?<!\w)|(?!\w))[ \t*_]*[:：]?[*_]*", re.MULTILINE)
    first = {names[found[1]]: found for found in reversed(list(line.finditer(text)))}
    begun = sorted(first.items(), key=lambda part: part[1].start())
    ends = [found.start() for _, found in begun[1:]] + [len(text)] * whole
    return {name: text[found.end() : end].strip() for (name, found), end in zip(begun, ends, strict=False)}

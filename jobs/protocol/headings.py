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
    first = {names[match[1]]: match for match in reversed(list(line.finditer(text)))}
    matches = sorted(first.items(), key=lambda part: part[1].start())
    ends = [match.start() for _, match in matches[1:]] + [len(text)] * whole
    return {name: text[match.end() : end].strip() for (name, match), end in zip(matches, ends, strict=False)}

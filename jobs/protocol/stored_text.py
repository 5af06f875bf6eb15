"""The text in the first bytes of a stored response: to read megabytes for a passage takes a list too long."""

from __future__ import annotations

import re

import orjson

# As `Part.to_wire` has it. A quotation mark inside a text is escaped, so no text looks like that.
_TEXT = re.compile(rb'"type":"output_text","text":"([^"\\]*+(?:\\.[^"\\]*+)*+)', re.DOTALL)
_HALF_AN_ESCAPE = re.compile(r"\\u[0-9a-f]{0,3}\Z")


def text_at_beginning(response: bytes) -> str:
    """The output text in a response that is cut anywhere, as far as it goes."""
    texts = (part[1].decode(errors="ignore") for part in _TEXT.finditer(response))
    return "".join(orjson.loads(f'"{_HALF_AN_ESCAPE.sub("", text)}"') for text in texts)

"""Removes from rendered HTML every element, attribute and address that is not listed, whatever the renderer did."""

from __future__ import annotations

import re
from functools import cache

import nh3

_MATH = """
math menclose mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext
mtr munder munderover
"""
_MATH_ATTRIBUTES = """
accent columnalign columnlines depth display displaystyle fence form height largeop linethickness lspace mathcolor
mathvariant maxsize minsize movablelimits notation rspace scriptlevel separator stretchy voffset width
"""
_ALLOWED = {
    "blockquote br em p pre s strong table tbody thead tr": "",
    "h1 h2 h3 h4 h5 h6": "id",
    "code div hr section span sup td th ul": "class",
    "a": "class href id title",
    "li": "class id",
    "ol": "class start",
    _MATH: _MATH_ATTRIBUTES,
}
_ADDRESS = re.compile(r"(https?://|mailto:)\S+", re.IGNORECASE)
_PLAIN = re.compile(r"[\w.:#+ -]*")


def sanitize(html: str) -> str:
    """A piece of HTML, without all that is not listed."""
    return _cleaner().clean(html)


@cache
def _cleaner() -> nh3.Cleaner:
    attributes = {tag: set(names.split()) for tags, names in _ALLOWED.items() for tag in tags.split()}
    return nh3.Cleaner(  # invariant 9
        tags=set(attributes),
        attributes={**attributes, "*": set()},  # else `lang` and `title` are let through everywhere
        attribute_filter=_value,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener nofollow",
    )


def _value(tag: str, name: str, value: str) -> str | None:
    """What to keep of an attribute. Ids, and links to them, are kept apart from those of the page around the text."""
    if name == "href" and value.startswith("#"):
        return f"#text-{value[1:]}"
    allowed = _ADDRESS if name == "href" else _PLAIN if name in ("class", "id") or tag in _MATH.split() else None
    if allowed and not allowed.fullmatch(value):
        return None
    return f"text-{value}" if name == "id" else value

"""What rendered text may hold, written down a second time: the list of the sanitizer must not judge itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_ANYWHERE = "blockquote br em p pre s strong table tbody thead tr"
_CLASSES = {
    "a": "footnote-backref",
    "code": r"language-[\w.#+-]+",
    "div": "formula",
    "hr": "footnotes-sep",
    "li": "footnote-item|task-list-item",
    "ol": "footnotes-list|contains-task-list",
    "section": "footnotes",
    "span": "[cfkms]",
    "sup": "footnote-ref",
    "td": "left|center|right",
    "th": "left|center|right",
    "ul": "contains-task-list",
}
_MATH = """
math menclose mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext
mtr munder munderover
"""
_MATH_VALUE = re.compile(r"[\w.:#+ -]*")
_ID = re.compile(r"text-[\w.:#+ -]*")
_VALUES = {
    ("a", "href"): re.compile(r"(?i:https?://|mailto:)\S+|#text-[^\0]*"),
    ("a", "id"): _ID,
    ("a", "rel"): re.compile("noopener nofollow"),
    ("a", "title"): re.compile(".*", re.DOTALL),
    ("li", "id"): _ID,
    ("ol", "start"): re.compile(r"\d{1,9}"),
    **{(f"h{level}", "id"): _ID for level in range(1, 7)},
    **{(tag, "class"): re.compile(pattern) for tag, pattern in _CLASSES.items()},
}
_TAGS = {*_ANYWHERE.split(), *_MATH.split(), *(tag for tag, _ in _VALUES)}
_VOID = {"br", "hr"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _TAGS, tag
        for name, value in attrs:
            if tag in _MATH.split():
                assert not re.match("on|class|href|id|src|style|xlink", name), (tag, name)
                allowed = _MATH_VALUE
            else:
                assert (tag, name) in _VALUES, (tag, name, value)
                allowed = _VALUES[tag, name]
            assert allowed.fullmatch(value or ""), (tag, name, value)
        assert tag != "a" or "rel" in dict(attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"a processing instruction: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a marked section: {data}")


def words_of(html: str) -> str:
    """The text that a reader sees. Raises AssertionError at the first thing that may not be there."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open, f"not closed: {reader.open}"
    return "".join(reader.text)

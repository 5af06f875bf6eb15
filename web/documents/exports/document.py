"""The HTML of a text as a flat list of blocks, from which both kinds of files are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lxml import html as lxml_html

from web.documents.exports.formulas import as_words

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS = frozenset({*_HEADINGS, "blockquote", "div", "hr", "ol", "p", "pre", "section", "table", "ul"})
_STYLES: dict[str, Callable[[Span], Span]] = {
    "strong": lambda span: replace(span, bold=True),
    "em": lambda span: replace(span, italic=True),
    "s": lambda span: replace(span, struck=True),
    "code": lambda span: replace(span, code=True),
    "sup": lambda span: replace(span, raised=True),
}
_SPACE = re.compile(r"[ \t\r\n]+")
_MAX_INDENT = 6
Element = Any  # lxml has no types


@dataclass(frozen=True, slots=True)
class Span:
    """Words of one style. `link` is an address, or `#` and a name of this document; `math` a formula in MathML."""

    text: str = ""
    bold: bool = False
    italic: bool = False
    struck: bool = False
    code: bool = False
    raised: bool = False
    link: str = ""
    math: Element = None


@dataclass(slots=True)
class Paragraph:
    """A line of a list, if it has a `marker`. `names` are what links may lead to."""

    spans: list[Span]
    names: list[str] = field(default_factory=list)
    indent: int = 0
    marker: str = ""
    quoted: bool = False


@dataclass(slots=True)
class Heading:
    """`depth` is 1 at the top, and at most one more than that of the heading before."""

    spans: list[Span]
    names: list[str]
    depth: int

    @property
    def text(self) -> str:
        """Its words."""
        return words_of(self.spans)


@dataclass(frozen=True, slots=True)
class Code:
    """Lines that stay as they are."""

    text: str
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table; `align` is `left`, `center` or `right`."""

    spans: list[Span]
    align: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of the same length; the first is the head."""

    rows: list[list[Cell]]


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that stands alone, in MathML."""

    math: Element


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the page."""


Block = Paragraph | Heading | Code | Table | Formula | Rule


@dataclass(frozen=True, slots=True)
class Document:
    """A text as both kinds of files have it; `facts` stand below its title, `language` is one of its words."""

    title: str
    facts: Sequence[str]
    language: str
    blocks: Sequence[Block]

    @property
    def names(self) -> set[str]:
        """What links within the document may lead to."""
        return {name for block in self.blocks if isinstance(block, Paragraph | Heading) for name in block.names}

    @property
    def headings(self) -> list[Heading]:
        """Those of its blocks that are headings."""
        return [block for block in self.blocks if isinstance(block, Heading)]

    @property
    def contents(self) -> str:
        """The heading of the table of contents; empty if the text has no more than one heading."""
        return "" if len(self.headings) < 2 else "目录" if self.language == "zh" else "Contents"


def read(sections: Iterable[str], title: str) -> list[Block]:
    """The blocks of sanitised HTML, without a first heading that repeats the title."""
    blocks: list[Block] = []
    for section in sections:
        _Reader(blocks).read(lxml_html.fragment_fromstring(section, create_parent="div"), Paragraph([]))
    first = blocks[0] if blocks else None
    if isinstance(first, Heading) and first.text.casefold() == title.casefold():
        del blocks[0]
    _level(blocks)
    return blocks


def words_of(spans: Sequence[Span]) -> str:
    """The plain words of some spans, formulas included."""
    return "".join(map(words_of_span, spans)).strip()


def words_of_span(span: Span) -> str:
    """The plain words of a span, those of a formula on one line."""
    return span.text if span.math is None else as_words(span.math)


class _Reader:
    """Walks over the elements, and adds the blocks that they are."""

    def __init__(self, blocks: list[Block]) -> None:
        self._blocks = blocks

    def read(self, element: Element, place: Paragraph) -> None:
        """Add the blocks in an element; `place` says where they stand, and its marker and names go to the first."""
        spans: list[Span] = [Span(_spaced(element.text))]
        for child in element:
            if child.tag not in _BLOCKS:
                place.names += _names(child)
                spans += _inline(child, Span())
            elif child.tag == "p":  # what stands before it is the box of a task
                place.names += _names(child)
                self._paragraph([*spans, *_spans(child, Span())], place)
                spans = []
            else:
                self._paragraph(spans, place)
                spans = []
                self._block(child, place)
            spans.append(Span(_spaced(child.tail)))
        self._paragraph(spans, place)

    def _paragraph(self, spans: list[Span], place: Paragraph) -> None:
        if words_of(spans):
            self._blocks.append(replace(place, spans=_trimmed(spans)))
            place.marker, place.names = "", []

    def _block(self, element: Element, place: Paragraph) -> None:
        match element.tag:
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                self._blocks.append(
                    Heading(_trimmed(_spans(element, Span())), list(_names(element)), int(element.tag[1]))
                )
            case "ul" | "ol":
                self._list(element, place)
            case "blockquote":
                self.read(element, replace(place, quoted=True, indent=_deeper(place)))
            case "pre":
                self._blocks.append(Code(element.text_content().rstrip("\n"), place.indent))
            case "hr":
                self._blocks.append(Rule())
            case "table":
                self._table(element)
            case "div" if (math := element.find("math")) is not None:
                self._blocks.append(Formula(math))
            case _:
                self.read(element, place)

    def _list(self, element: Element, place: Paragraph) -> None:
        start = int(element.get("start") or 1)
        for number, item in enumerate(element.iterchildren("li"), start):
            marker = f"{number}." if element.tag == "ol" else "" if "task" in item.get("class", "") else "•"
            names = [name] if (name := item.get("id")) else []
            self.read(item, Paragraph([], names, _deeper(place), marker, place.quoted))

    def _table(self, element: Element) -> None:
        rows = [[_cell(cell) for cell in row.iterchildren("td", "th")] for row in element.iter("tr")]
        columns = max(map(len, rows), default=0)
        if columns:
            self._blocks.append(Table([row + [Cell([], "left")] * (columns - len(row)) for row in rows]))


def _cell(element: Element) -> Cell:
    return Cell(_trimmed(_spans(element, Span(bold=element.tag == "th"))), element.get("class") or "left")


def _deeper(place: Paragraph) -> int:
    return min(place.indent + 1, _MAX_INDENT)


def _spans(element: Element, style: Span) -> list[Span]:
    """The words in an element."""
    spans = [replace(style, text=_spaced(element.text))]
    for child in element:
        spans += _inline(child, style)
        text = _spaced(child.tail)
        spans.append(replace(style, text=text.lstrip() if child.tag == "br" else text))
    return spans


def _inline(element: Element, style: Span) -> list[Span]:
    match element.tag:
        case "br":
            return [replace(style, text="\n")]
        case "math":
            return [replace(style, text="".join(element.itertext()), math=element)]
        case "a":
            return _spans(element, replace(style, link=element.get("href", "")))
        case tag if tag in _STYLES:
            return _spans(element, _STYLES[tag](style))
    return _spans(element, style)


def _spaced(text: str | None) -> str:
    return _SPACE.sub(" ", text or "").replace("\ufe0e", "")


def _trimmed(spans: Sequence[Span]) -> list[Span]:
    """Without what is empty, and without space at both ends."""
    kept = [span for span in spans if span.text]
    while kept and not kept[0].text.strip():
        del kept[0]
    while kept and not kept[-1].text.strip():
        del kept[-1]
    if kept:
        kept[0] = replace(kept[0], text=kept[0].text.lstrip())
        kept[-1] = replace(kept[-1], text=kept[-1].text.rstrip())
    return kept


def _names(element: Element) -> Iterator[str]:
    yield from filter(None, (inner.get("id") for inner in element.iter()))


def _level(blocks: Iterable[Block]) -> None:
    """Make the depths of headings begin at 1 and leave none out: outlines cannot have gaps."""
    open_depths: list[int] = []
    for block in blocks:
        if isinstance(block, Heading):
            while open_depths and open_depths[-1] >= block.depth:
                open_depths.pop()
            open_depths.append(block.depth)
            block.depth = len(open_depths)

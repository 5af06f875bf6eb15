"""The text of a file by its name's ending, with marks of pages, sections or rows that a text can cite."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

import docx
import pypdf
from docx.table import Table
from lxml import html as lxml_html

# Of what a DOCX packs: its limit of memory is far above, and a bomb's parts are gigabytes.
_MOST_UNPACKED_BYTES = 100 << 20
_ROWS_TO_A_MARK = 50
# What begins on a line of its own.
_BLOCKS = frozenset(
    ["address", "article", "blockquote", "br", "div", "dd", "dt", "li", "main", "nav", "ol", "p", "pre", "section"]
    + ["table", "td", "th", "tr", "ul"]
)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_UNSEEN = ("script", "style", "head", "template", "noscript")
_CONTROLS = dict.fromkeys({*range(32), 127, 0xFFFE, 0xFFFF} - {9, 10})


class Unreadable(Exception):  # noqa: N818  (the name says what is the matter)
    """The file holds no text that can be read: why, with places for its `{name}` and the values."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message)
        self.message, self.values = message, values


def read(name: str, content: bytes) -> str:
    """The text of a file. Raises Unreadable, and on a broken file whatever the libraries raise."""
    reader = READERS.get(PurePath(name).suffix.lower())
    if reader is None:
        raise Unreadable("{name}: only {kinds} are read.", kinds=", ".join(READERS))
    shown = name.translate({ord("["): "(", ord("]"): ")"})
    pieces = [piece for piece in reader(shown, content) if piece.strip()]
    if all(piece.startswith(f"[{shown}") for piece in pieces):
        raise Unreadable("{name}: there is no text in it; pages that are pictures need to be recognised first.")
    text = "\n\n".join(piece.strip() for piece in pieces).replace("\r\n", "\n")
    return re.sub(r"\n{3,}", "\n\n", text).translate(_CONTROLS)


def _decoded(content: bytes) -> str:
    """Text in UTF-8, in UTF-16 with its mark, or else in GB 18030, as older Chinese files are."""
    encodings = ["utf-16"] if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable("{name}: it is no text in UTF-8, UTF-16 or GB 18030.")


def _text(name: str, content: bytes) -> Iterator[str]:
    yield f"[{name}]"
    yield _decoded(content)


def _csv(name: str, content: bytes) -> Iterator[str]:
    text = _decoded(content)
    head, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    for start in range(0, len(rows), _ROWS_TO_A_MARK):
        some = rows[start : start + _ROWS_TO_A_MARK]
        lines = ("; ".join(f"{key}: {value}" for key, value in zip(head, row, strict=False) if value) for row in some)
        yield f"[{name}, rows {start + 1}-{start + len(some)}]"
        yield "\n".join(lines)


def _delimiter(text: str) -> str:
    """What stands between the cells: what the first line has most of."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _html(name: str, content: bytes) -> Iterator[str]:
    tree = lxml_html.document_fromstring(_decoded(content))
    for unseen in tree.xpath("|".join(f"//{tag}" for tag in _UNSEEN)):
        unseen.drop_tree()
    yield f"[{name}]"
    for element in tree.iter(*_HEADINGS):
        element.text = f"\n\n[{name}, § {' '.join(element.text_content().split())}]\n\n"
        for child in list(element):
            element.remove(child)
    yield "".join(_lines(tree))


def _lines(element: Any) -> Iterator[str]:
    """The words below an element, in order; what is a block begins and ends a line."""
    end = "\n" if element.tag in _BLOCKS else ""
    yield end
    if isinstance(element.tag, str):  # else a comment
        yield (element.text or "") if element.tag in ("pre", *_HEADINGS) else _spaced(element.text)
        for child in element:
            yield from _lines(child)
            yield _spaced(child.tail)
    yield end


def _spaced(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")


def _docx(name: str, content: bytes) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        if sum(part.file_size for part in packed.infolist()) > _MOST_UNPACKED_BYTES:
            raise Unreadable("{name}: it unpacks to more than {most} MB.", most=_MOST_UNPACKED_BYTES >> 20)
    yield f"[{name}]"
    for block in docx.Document(io.BytesIO(content)).iter_inner_content():
        if isinstance(block, Table):
            yield "\n".join(" | ".join(_cells(row.cells)) for row in block.rows)
        elif str(block.style and block.style.name).startswith(("Heading", "Title")):
            yield f"[{name}, § {block.text}]"
        else:
            yield block.text


def _cells(cells: Iterable[Any]) -> Iterator[str]:
    return (" ".join(cell.text.split()) for cell in cells)


def _pdf(name: str, content: bytes) -> Iterator[str]:
    pdf = pypdf.PdfReader(io.BytesIO(content))
    if pdf.is_encrypted and not pdf.decrypt(""):
        raise Unreadable("{name}: it is encrypted: save it without a password.")
    for number, page in enumerate(pdf.pages, 1):
        if text := page.extract_text().strip():
            yield f"[{name}, p. {number}]"
            yield text


READERS: Mapping[str, Callable[[str, bytes], Iterator[str]]] = {
    ".txt": _text,
    ".md": _text,
    ".html": _html,
    ".htm": _html,
    ".docx": _docx,
    ".pdf": _pdf,
    ".csv": _csv,
}

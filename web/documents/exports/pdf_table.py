"""A table in a PDF; as a list of its rows where it is too wide or a cell too long for a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from fpdf import FPDF
from fpdf.enums import Align, TableCellFillMode, VAlign
from fpdf.fonts import FontFace

from web.documents.exports.document import Cell, Paragraph, Span, Table, words_of
from web.documents.exports.pdf_fonts import use_font
from web.documents.exports.wide import width

_SIZE = 9
_LINE = 4.6  # millimetres
_LETTER = 1.75
_MAX_COLUMNS = 10
# What the library takes for Markdown.
_MARKS = re.compile(r"(?<!\\)(\\*)(\*\*|__|~~|--)")


def write_table(
    pdf: FPDF, table: Table, written: Callable[[Span], str], write_paragraph: Callable[[Paragraph], None]
) -> None:
    """Write a table: `written` says what a span is in this PDF, `write_paragraph` writes the rows of a long one."""
    columns = [max(min(width(words_of(cell.spans)), 60) for cell in column) for column in zip(*table.rows, strict=True)]
    shares = [max(size, 6) / sum(max(size, 6) for size in columns) for size in columns]
    if len(shares) > _MAX_COLUMNS or _tallest(table, shares, pdf.epw) > pdf.eph * 0.7:
        _write_rows(table, write_paragraph)
        return
    head = FontFace(emphasis="BOLD", fill_color=(235, 238, 242))
    use_font(pdf, "text", "", _SIZE)
    pdf.set_fill_color(255)
    pdf.set_draw_color(190)
    with pdf.table(
        col_widths=tuple(shares), headings_style=head, line_height=_LINE, markdown=True, padding=1,
        cell_fill_mode=TableCellFillMode.NONE, text_align=Align.L, v_align=VAlign.T,
    ) as shown:  # fmt: skip
        for row in table.rows:
            line = shown.row()
            for cell in row:
                link = next((span.link for span in cell.spans if span.link.startswith(("http", "mailto:"))), "")
                line.cell(_marked(cell, written), align=cell.align.upper(), link=link)


def _tallest(table: Table, shares: Sequence[float], page_width: float) -> float:
    """About how high the highest row is, in millimetres."""
    letters = [max(1.0, share * page_width / _LETTER - 2) for share in shares]
    return max(
        (_lines(cell, room) * _LINE for row in table.rows for cell, room in zip(row, letters, strict=True)), default=0
    )


def _lines(cell: Cell, letters: float) -> float:
    text = words_of(cell.spans)
    return sum(1 + width(line) // letters for line in text.split("\n"))


def _marked(cell: Cell, written: Callable[[Span], str]) -> str:
    """The words of a cell in the Markdown of the library."""
    return "".join(
        _marked_span(span, _MARKS.sub(r"\1\1\\\2", written(span)).replace("](", "] (")) for span in cell.spans
    )


def _marked_span(span: Span, text: str) -> str:
    if not text.strip():
        return text
    for mark, wanted in (("**", span.bold), ("__", span.italic), ("~~", span.struck)):
        text = f"{mark}{text}{mark}" if wanted else text
    return text


def _write_rows(table: Table, write_paragraph: Callable[[Paragraph], None]) -> None:
    head, *rows = table.rows
    for row in rows:
        for number, (name, cell) in enumerate(zip(head, row, strict=True)):
            label = [Span(f"{words_of(name.spans)}: ", bold=True)] if name.spans else []
            write_paragraph(Paragraph([*label, *cell.spans], indent=1, marker="" if number else "•"))

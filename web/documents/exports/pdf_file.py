"""A document as PDF: title page, contents, outline, numbered pages."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import singledispatchmethod

from fpdf import FPDF
from fpdf.enums import Align, WrapMode, XPos, YPos
from fpdf.outline import OutlineSection
from lxml import etree
from ziamath.zmath import Math

from web.documents.exports.document import (
    Block,
    Code,
    Document,
    Formula,
    Heading,
    Paragraph,
    Rule,
    Span,
    Table,
    words_of_span,
)
from web.documents.exports.fonts import Fonts
from web.documents.exports.formulas import as_words
from web.documents.exports.pdf_fonts import add_fonts, use_font
from web.documents.exports.pdf_table import write_table
from web.documents.exports.wide import pieces

_SIZE = 11
_SIZES = (18, 15, 13, 12, 11.5, 11)
_LINE = 5.6  # millimetres, of a line of words
_INDENT = 7.0
# How small a formula may become that is wider than the page, before it is written in words.
_SMALLEST = 0.6
_BLUE, _GREY, _BLACK = (20, 70, 160), (90, 90, 90), (0, 0, 0)


def pdf_file(document: Document, fonts: Fonts) -> bytes:
    """The file. Raises FontMissing."""
    pdf = _Pdf(document, fonts)
    file = pdf.made()
    if pdf.contents_pages == 1:
        return file
    # Pages that are inserted later would shift those that links and footers have named.
    return _Pdf(document, fonts, pdf.contents_pages).made()


class _Pdf(FPDF):
    """The library's PDF, which knows our blocks."""

    def __init__(self, document: Document, fonts: Fonts, contents_pages: int = 1) -> None:
        """`contents_pages` is how many the table of contents takes; it is more afterwards if that was too few."""
        super().__init__(format="A4")
        self.contents_pages = contents_pages
        self._text = document
        self._names = document.names
        self._substitutes = add_fonts(self, fonts, _all_words(document))
        self.set_margins(22, 20)
        self.set_auto_page_break(auto=True, margin=22)
        self.set_title(document.title)
        self.set_lang(document.language or "en")
        self.set_creator("Penstock")

    def made(self) -> bytes:
        """The bytes of the file."""
        self._title_page()
        self.add_page()
        if self._text.contents:
            self._contents()
        for block in self._text.blocks:
            self._write(block)
        return bytes(self.output())

    def footer(self) -> None:
        """The number of the page; the title page has none."""
        if self.page_no() > 1:
            self.set_y(-15)
            use_font(self, "text", "", 9)
            self.set_text_color(*_GREY)
            self.cell(0, 6, str(self.page_no()), align="C")
            self.set_text_color(*_BLACK)

    def _title_page(self) -> None:
        self.add_page()
        self.set_y(self.h / 3)
        self._centred(self._text.title, 26, "B")
        self.ln(6)
        for fact in self._text.facts:
            self._centred(fact, 11)
        if names := sorted(name for name in self._substitutes.values() if name.startswith("[")):
            self.ln(6)
            self._centred(f"No font of the server has these; they are named: {' '.join(names)}", 9)

    def _centred(self, text: str, size: float, style: str = "") -> None:
        use_font(self, "text", style, size)
        self.multi_cell(0, size / 2, self._shown(text), align="C", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _contents(self) -> None:
        self._heading(_SIZES[0], [Span(self._text.contents)])
        self.ln(3)
        use_font(self, "text", "", _SIZE)
        pages = self.contents_pages
        self.insert_toc_placeholder(self._fill_contents, pages, allow_extra_pages=pages == 1)

    def _fill_contents(self, _: FPDF, outline: list[OutlineSection]) -> None:
        before, right, number_width = self.pages_count, self.w - self.r_margin, 12
        for section in outline:
            link = self.add_link(page=section.page_number)
            self.set_x(self.l_margin + _INDENT * section.level)
            self._line(section.name, _SIZE, link=link)
            if self.get_x() > right - 2 * number_width:
                self.ln(_LINE)
            use_font(self, "text", "", _SIZE)
            room = right - number_width - self.get_x()
            self.cell(room, _LINE, "." * int(room / self.get_string_width(".") - 2), link=link, align="R")
            self.cell(number_width, _LINE, str(section.page_number), link=link, align="R")
            self.ln(_LINE)
        self.contents_pages += self.pages_count - before

    @singledispatchmethod
    def _write(self, block: Block) -> None:
        raise TypeError(block)

    @_write.register
    def _(self, heading: Heading) -> None:
        size = _SIZES[min(heading.depth, len(_SIZES)) - 1]
        self.ln(size / 4)
        if self.will_page_break(size + 3 * _LINE):
            self.add_page()
        use_font(self, "text", "B", size)
        self.start_section(self._shown(heading.text) or "–", level=heading.depth - 1)
        self._name(heading.names)
        self._heading(size, heading.spans)

    def _heading(self, size: float, spans: Sequence[Span]) -> None:
        self._spans(spans, size, "B")
        self.ln(size / 2 + 2)

    @_write.register
    def _(self, paragraph: Paragraph) -> None:
        self.set_left_margin(22 + _INDENT * paragraph.indent)
        self._name(paragraph.names)
        if paragraph.marker:
            use_font(self, "text", "", _SIZE)
            self.set_x(self.l_margin - _INDENT)
            self.write(_LINE, paragraph.marker)
            self.set_x(max(self.l_margin, self.get_x() + 1))
        self._spans(paragraph.spans, _SIZE, colour=_GREY if paragraph.quoted else _BLACK)
        self.set_left_margin(22)
        self.ln(_LINE + (1 if paragraph.indent else 2.5))

    @_write.register
    def _(self, code: Code) -> None:
        use_font(self, "code", "", 9)
        self.set_fill_color(243, 244, 246)
        text = self._shown(code.text.expandtabs(4))
        self.multi_cell(
            0, 4.6, text, fill=True, align="L", padding=2, wrapmode=WrapMode.CHAR, new_x=XPos.LMARGIN, new_y=YPos.NEXT
        )
        self.ln(3)

    @_write.register
    def _(self, table: Table) -> None:
        write_table(self, table, self._words, self._write)
        self.ln(4)

    @_write.register
    def _(self, formula: Formula) -> None:
        words = as_words(formula.math).strip()
        picture, width = _picture(formula)
        if not picture or width / self.k * _SMALLEST > self.epw:
            self._write(Paragraph([Span(words, italic=True)], indent=1))
            return
        self.image(io.BytesIO(picture), x=Align.C, w=min(self.epw, width / self.k), alt_text=words)
        self.ln(3)

    @_write.register
    def _(self, rule: Rule) -> None:
        self.ln(1)
        self.set_draw_color(190, 190, 190)
        self.line(self.l_margin, self.get_y(), self.l_margin + self.epw / 3, self.get_y())
        self.ln(4)

    def _name(self, names: Sequence[str]) -> None:
        for name in names:
            self.set_link(name=name, y=self.get_y())

    def _spans(
        self, spans: Sequence[Span], size: float, style: str = "", colour: tuple[int, int, int] = _BLACK
    ) -> None:
        for span in spans:
            link = "" if span.link.startswith("#") and span.link[1:] not in self._names else span.link
            strong = "B" if span.bold or style else ""
            slanted = "I" if span.italic or span.math is not None else ""
            self.set_text_color(*(_BLUE if link else colour))
            self.char_vpos = "SUP" if span.raised else "LINE"
            if span.code:
                self._line(self._words(span), size - 1, "code", "", link)
            else:
                self._line(self._words(span), size, "text", strong + slanted + "S" * span.struck, link)
        self.char_vpos = "LINE"
        self.set_text_color(*_BLACK)

    def _line(self, text: str, size: float, family: str = "text", style: str = "", link: str | int = "") -> None:
        """Go on writing in a line."""
        height = _LINE if size <= _SIZE else size / 2
        for is_wide, piece in pieces(text):
            use_font(self, family, style, size)
            self.write(height, piece, link, wrapmode=WrapMode.CHAR if is_wide else WrapMode.WORD)

    def _words(self, span: Span) -> str:
        return self._shown(span.text if span.math is None else words_of_span(span).strip())

    def _shown(self, text: str) -> str:
        return text.translate(self._substitutes)


def _picture(formula: Formula) -> tuple[bytes, float]:
    """A formula as SVG, and its width in points; nothing where the library, or its font, does not know all of it."""
    try:
        image = Math(etree.tostring(formula.math, encoding="unicode", with_tail=False), size=14)
        if all(map(image.font.glyphindex, "".join("".join(formula.math.itertext()).split()))):
            return image.svg().encode(), image.getsize()[0]
    except Exception:  # noqa: BLE001, S110  (it raises anything on what it does not know)
        pass
    return b"", 0.0


def _all_words(document: Document) -> str:
    """Every character that may be written."""
    return "\n".join([document.title, *document.facts, *map(_words_of_block, document.blocks)])


def _words_of_block(block: Block) -> str:
    match block:
        case Paragraph(spans=spans) | Heading(spans=spans):
            return "".join(map(words_of_span, spans))
        case Table(rows=rows):
            return "".join(words_of_span(span) for row in rows for cell in row for span in cell.spans)
        case Code(text=text):
            return text
        case Formula(math=math):
            return as_words(math)
    return ""

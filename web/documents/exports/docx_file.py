"""A document as DOCX: title page, contents with the numbers of pages, headings in Word's own styles."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import singledispatchmethod
from typing import Any

import docx
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_BREAK, WD_TAB_ALIGNMENT, WD_TAB_LEADER
from docx.oxml.ns import qn
from docx.shared import Length, Mm, Pt, RGBColor

from web.documents.exports import omml
from web.documents.exports.document import Block, Code, Document, Formula, Heading, Paragraph, Rule, Span, Table
from web.documents.exports.docx_parts import add_field, add_link, add_mark, add_text, element, fit

_INDENT = Mm(7)
_BLUE, _GREY = RGBColor(20, 70, 160), RGBColor(90, 90, 90)
_ALIGNED = {"center": WD_ALIGN_PARAGRAPH.CENTER, "right": WD_ALIGN_PARAGRAPH.RIGHT}
_STYLES = ("Normal", "Title", *(f"Heading {depth}" for depth in range(1, 7)))


def docx_file(document: Document) -> bytes:
    """The file."""
    return _Docx(document).made()


class _Docx:
    def __init__(self, document: Document) -> None:
        self._text = document
        self._file: Any = docx.Document()
        self._marks = {name: f"place{number}" for number, name in enumerate(sorted(document.names))}
        self._marked = 0
        self._headings = 0

    def made(self) -> bytes:
        """The bytes of the file."""
        self._set_up()
        self._title_page()
        if self._text.contents:
            self._contents()
        for block in self._text.blocks:
            self._write(block)
        stream = io.BytesIO()
        self._file.save(stream)
        return stream.getvalue()

    def _set_up(self) -> None:
        properties = self._file.core_properties
        properties.title, properties.author, properties.comments = fit(self._text.title)[:255], "Penstock", ""
        for name in _STYLES:
            style = self._file.styles[name]
            style.font.name = "Calibri"
            fonts = style.element.rPr.rFonts
            for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
                fonts.attrib.pop(qn(f"w:{theme}"), None)
            fonts.set(qn("w:eastAsia"), "Microsoft YaHei")
        self._file.styles["Normal"].element.rPr.append(element("lang", val="en-US", eastAsia="zh-CN"))
        section = self._file.sections[0]
        section.page_width, section.page_height = Mm(210), Mm(297)
        section.left_margin = section.right_margin = Mm(24)
        section.different_first_page_header_footer = True
        number = section.footer.paragraphs[0]
        number.alignment = WD_ALIGN_PARAGRAPH.CENTER
        add_field(number._p, "PAGE", "1")

    def _title_page(self) -> None:
        title = self._file.add_paragraph(fit(self._text.title), "Title")
        title.paragraph_format.space_before = Mm(80)
        title.alignment = WD_ALIGN_PARAGRAPH.CENTER
        for fact in self._text.facts:
            line = self._file.add_paragraph(fit(fact))
            line.alignment = WD_ALIGN_PARAGRAPH.CENTER
            line.runs[0].font.color.rgb = _GREY
        self._break_page()

    def _break_page(self) -> None:
        self._file.add_paragraph().add_run().add_break(WD_BREAK.PAGE)

    def _contents(self) -> None:
        """The contents: links, with numbers of pages that are found when the file is opened."""
        heading = self._file.add_paragraph().add_run(self._text.contents)
        heading.bold, heading.font.size = True, Pt(16)
        section = self._file.sections[0]
        width = section.page_width - section.left_margin - section.right_margin
        for number, block in enumerate(self._text.headings, 1):
            line = self._file.add_paragraph()
            line.paragraph_format.left_indent = Length(_INDENT * (block.depth - 1))
            line.paragraph_format.space_after = Pt(3)
            line.paragraph_format.tab_stops.add_tab_stop(width, WD_TAB_ALIGNMENT.RIGHT, WD_TAB_LEADER.DOTS)
            add_text(add_link(line, mark=f"heading{number}"), f"{fit(block.text)}\t")
            add_field(line._p, rf"PAGEREF heading{number} \h", "")
        self._break_page()

    @singledispatchmethod
    def _write(self, block: Block) -> None:
        raise TypeError(block)

    @_write.register
    def _(self, heading: Heading) -> None:
        self._headings += 1
        line = self._file.add_paragraph(style=f"Heading {min(heading.depth, 6)}")
        self._mark(line, f"heading{self._headings}")
        self._name(line, heading.names)
        self._spans(line, heading.spans)

    @_write.register
    def _(self, paragraph: Paragraph) -> None:
        line = self._file.add_paragraph()
        line.paragraph_format.left_indent = Length(_INDENT * paragraph.indent)
        if paragraph.indent:
            line.paragraph_format.space_after = Pt(3)
        self._name(line, paragraph.names)
        if paragraph.marker:
            line.paragraph_format.first_line_indent = Length(-_INDENT)
            line.paragraph_format.tab_stops.add_tab_stop(Length(_INDENT * paragraph.indent))
            line.add_run(f"{paragraph.marker}\t")
        self._spans(line, paragraph.spans, _GREY if paragraph.quoted else None)

    @_write.register
    def _(self, code: Code) -> None:
        line = self._file.add_paragraph()
        line.paragraph_format.left_indent = Length(_INDENT * code.indent)
        line._p.get_or_add_pPr().append(element("shd", val="clear", fill="F3F4F6"))
        _as_code(line.add_run(fit(code.text)))

    @_write.register
    def _(self, table: Table) -> None:
        shown = self._file.add_table(len(table.rows), len(table.rows[0]), "Table Grid")
        shown.rows[0]._tr.get_or_add_trPr().append(element("tblHeader"))
        for row, line in zip(table.rows, shown.rows, strict=True):
            for cell, place in zip(row, line.cells, strict=True):
                paragraph = place.paragraphs[0]
                paragraph.alignment = _ALIGNED.get(cell.align)
                self._spans(paragraph, cell.spans)
        self._file.add_paragraph()

    @_write.register
    def _(self, formula: Formula) -> None:
        line = self._file.add_paragraph()
        line._p.append(omml.display(formula.math))

    @_write.register
    def _(self, rule: Rule) -> None:
        self._file.add_paragraph("―" * 12).runs[0].font.color.rgb = _GREY

    def _name(self, line: Any, names: Sequence[str]) -> None:
        for name in names:
            self._mark(line, self._marks[name])

    def _mark(self, line: Any, name: str) -> None:
        self._marked += 1
        add_mark(line, name, self._marked)

    def _spans(self, line: Any, spans: Sequence[Span], colour: RGBColor | None = None) -> None:
        for span in spans:
            if span.math is not None:
                line._p.append(omml.formula(span.math))
                continue
            run = line.add_run(fit(span.text))
            run.bold, run.italic, run.font.strike = span.bold or None, span.italic or None, span.struck or None
            run.font.superscript = span.raised or None
            run.font.color.rgb = colour
            if span.code:
                _as_code(run)
            self._lead(line, run, span.link)

    def _lead(self, line: Any, run: Any, target: str) -> None:
        """Make a run a link, if it leads anywhere."""
        mark = self._marks.get(target[1:]) if target.startswith("#") else None
        if mark is None and (not target or target.startswith("#")):
            return
        run.font.color.rgb = _BLUE
        link = add_link(line, mark=mark) if mark else add_link(line, address=target)
        link.append(run._r)


def _as_code(run: Any) -> None:
    run.font.name, run.font.size = "Consolas", Pt(9.5)
    run._r.rPr.rFonts.set(qn("w:eastAsia"), "Microsoft YaHei")

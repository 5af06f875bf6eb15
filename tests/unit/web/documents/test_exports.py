"""A text as DOCX and as PDF: made of the HTML of its page, read back by other libraries."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import docx
import pypdf
import pytest
from pypdf.generic import Destination

from web.documents.exports.document import Document, Heading, Paragraph, Table, read
from web.documents.exports.docx_file import docx_file
from web.documents.exports.fonts import find_fonts
from web.documents.exports.pdf_file import pdf_file
from web.documents.exports.pdf_fonts import FontMissing
from web.markdown.blocks import render, render_parts

FONTS = find_fonts()
needs_fonts = pytest.mark.skipif(FONTS.text is None, reason="there is no font on this machine")
needs_chinese = pytest.mark.skipif(FONTS.chinese is None, reason="there is no Chinese font on this machine")
TEXT = """\
# Tidal power

Words, **bold**, `code`, [a link](https://example.org/x), a note[^1], $E = mc^2$.

## How it works 潮汐

1. first
2. second
   - inner

> quoted

```python
print("<&>")
```

### Deep

| Name | Value |
|:-----|------:|
| 潮汐 a_b | **12** [l](https://example.org/cell) |

$$\\frac{a}{b}$$

## Where

End.

[^1]: The note.
"""


def made(text: str = TEXT, title: str = "Tidal power") -> Document:
    return Document(title, ["2026-11-27", "a model"], "en", read([render(text)], title))


def reader(document: Document) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(pdf_file(document, FONTS)))


def outline(entries: Any, depth: int = 0) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for entry in entries:
        found += outline(entry, depth + 1) if isinstance(entry, list) else [(depth, entry.title)]
    return found


def test_a_text_is_read_as_blocks() -> None:
    blocks = made().blocks
    headings = [(block.depth, block.text) for block in blocks if isinstance(block, Heading)]
    assert headings == [(1, "How it works 潮汐"), (2, "Deep"), (1, "Where")]  # the title is on the title page
    lists = [(block.indent, block.marker) for block in blocks if isinstance(block, Paragraph) and block.marker]
    assert lists == [(1, "1."), (1, "2."), (2, "•"), (1, "1.")]
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert [[cell.align for cell in row] for row in table.rows] == [["left", "right"]] * 2


@needs_fonts
@needs_chinese
def test_a_pdf_has_title_contents_outline_and_numbers() -> None:
    pdf = reader(made())
    pages = [page.extract_text() for page in pdf.pages]
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Tidal power"
    assert "Tidal power" in pages[0]
    assert "a model" in pages[0]
    assert outline(pdf.outline) == [(0, "How it works 潮汐"), (1, "Deep"), (0, "Where")]
    assert {"Contents", "2"} <= set(pages[1].split("\n"))
    text = "\n".join(pages[2:]).replace("\x00", "")
    for words in ("bold", 'print("<&>")', "潮汐 a_b", "12", "E = mc²", "quoted", "The note."):
        assert words in text


@needs_fonts
@needs_chinese
def test_contents_in_chinese_have_the_numbers_of_pages() -> None:
    contents = reader(made("## 潮汐发电\n\n一。\n\n## 总结\n\n二。\n")).pages[1].extract_text()
    assert [line[-1] for line in contents.splitlines() if ".." in line] == ["3", "3"]


@needs_fonts
def test_the_links_of_a_pdf_lead_somewhere() -> None:
    pdf = reader(made(TEXT.replace("潮汐", "tides") + "\n[nowhere](#nothing)\n"))
    actions = [link.get_object() for page in pdf.pages for link in page.get("/Annots", [])]
    addresses = {str(link["/A"]["/URI"]) for link in actions if "/URI" in link.get("/A", {})}
    assert {"https://example.org/x", "https://example.org/cell"} <= addresses
    assert {"text-fn:1", "text-fnref:1"} <= set(pdf.named_destinations)


@needs_fonts
def test_contents_of_many_pages_name_the_right_ones() -> None:
    pdf = reader(made("\n\n".join(f"## Section {number}\n\nWords." for number in range(1, 60))))
    assert "Section 1\n" in pdf.pages[3].extract_text()  # behind two pages of contents
    first = pdf.outline[0]
    assert isinstance(first, Destination)
    assert pdf.get_destination_page_number(first) == 3
    assert re.search(r"Section 59 \.+ 9", pdf.pages[2].extract_text())
    assert str(len(pdf.pages)) in pdf.pages[-1].extract_text().split("\n")


@needs_fonts
def test_a_table_that_fits_no_page_becomes_a_list() -> None:
    wide = "|".join("abcdefghijklmnop")
    long = "word " * 800
    text = f"|{wide}|\n|{'-|' * 16}\n|{wide}|\n\n| a | b |\n|---|---|\n| {long} | end |\n"
    pdf = reader(made(text))
    assert "p: p" in pdf.pages[1].extract_text()
    assert "b: end" in pdf.pages[-1].extract_text()


@needs_fonts
def test_what_no_font_has_is_named_never_a_box() -> None:
    text = reader(made("A disc: \U0001f980 and a joiner\u200d.")).pages
    assert "[crab]" in text[1].extract_text()
    assert "[crab]" in text[0].extract_text()  # the title page says so
    with pytest.raises(FontMissing, match="^CUNEIFORM$"):
        reader(made("\U00012000"))


@needs_fonts
def test_a_machine_without_a_chinese_font_says_so(tmp_path: Path) -> None:
    assert FONTS.text is not None
    (tmp_path / FONTS.text.files[0].name).symlink_to(FONTS.text.files[0])
    with pytest.raises(FontMissing, match="^CJK$"):
        pdf_file(made(), find_fonts([tmp_path]))
    with pytest.raises(FontMissing, match="^LATIN$"):
        pdf_file(made(), find_fonts([]))


def test_a_docx_has_title_contents_styles_and_links() -> None:
    document = docx.Document(io.BytesIO(docx_file(made())))
    assert document.core_properties.title == "Tidal power"
    assert document.paragraphs[0].text == "Tidal power"
    styled = [(str(each.style and each.style.name), each.text) for each in document.paragraphs]
    headings = [(style, text) for style, text in styled if style.startswith("Heading")]
    assert headings == [("Heading 1", "How it works 潮汐"), ("Heading 2", "Deep"), ("Heading 1", "Where")]
    (table,) = document.tables
    assert [[cell.text for cell in row.cells] for row in table.rows] == [["Name", "Value"], ["潮汐 a_b", "12 l"]]
    xml = document.element.xml
    for part in ("w:instrText>PAGEREF heading1 \\h", "<m:f>", "<m:sSup>", 'print("&lt;&amp;&gt;")'):
        assert part in xml
    links = {link.address or f"#{link.fragment}" for each in document.paragraphs for link in each.hyperlinks}
    marks = {mark.get(f"{{{mark.nsmap['w']}}}name") for mark in document.element.iter("{*}bookmarkStart")}
    assert "https://example.org/x" in links
    assert {link[1:] for link in links if link.startswith("#")} <= marks
    assert "PAGE" in document.sections[0].footer._element.xml


def test_notes_of_two_sections_are_two_places() -> None:
    sections = render_parts([(1, "a[^1]\n\n[^1]: one"), (2, "b[^1]\n\n[^1]: two")])
    blocks = read(sections, "")
    names = [name for block in blocks if isinstance(block, Paragraph) for name in block.names]
    assert len(names) == len(set(names)) == 4
    assert docx_file(Document("", [], "", blocks))


def test_characters_that_xml_cannot_hold_are_left_out() -> None:
    document = made("before\x0bafter")
    assert "beforeafter" in "".join(each.text for each in docx.Document(io.BytesIO(docx_file(document))).paragraphs)


def formulas(*latex: str) -> Document:
    """A document of these formulas, each alone."""
    return made("\n\n".join(f"$$\n{each}\n$$" for each in latex))


def inside(document: Document) -> list[str]:
    """The tags of Word's formulas, each with those below it: `d(e(f(num(r)den(r))))`."""

    def tree(element: Any) -> str:
        names = (child for child in element if not child.tag.endswith(("Pr", "}t")))
        below = "".join(map(tree, names))
        return f"{element.tag.rpartition('}')[2]}({below})" if below else element.tag.rpartition("}")[2]

    body = docx.Document(io.BytesIO(docx_file(document))).element
    return [tree(each) for each in body.iter("{*}oMathPara")]


@pytest.mark.parametrize(
    ("latex", "tags"),
    [
        (r"\left( \frac{a}{b} \right)", "d(e(f(num(r)den(r))))"),
        (r"\begin{pmatrix} a & b \end{pmatrix}", "d(e(m(mr(e(r)e(r)))))"),
        (r"\begin{cases} x \\ y \end{cases}", "d(e(m(mr(e(r))mr(e(r)))))"),
        (r"\left( \left[ a \right] \right)", "d(e(d(e(r))))"),
        (r"\binom{n}{k}", "d(e(f(num(r)den(r))))"),
        (r"\hat{x} \vec{v}", "acc(e(r))acc(e(r))"),
        (r"\overline{AB}", "bar(e(rr))"),
        (r"\underbrace{a}_{n}", "limLow(e(groupChr(e(r)))lim(r))"),
        (r"\boxed{x}", "borderBox(e(r))"),
        (r"\sqrt{2} + \sqrt[3]{8}", "rad(dege(r))rrad(deg(r)e(r))"),
    ],
)
def test_a_formula_is_one_of_words_own(latex: str, tags: str) -> None:
    assert inside(formulas(latex)) == [f"oMathPara(oMath({tags}))"]


def test_words_in_a_formula_keep_their_spaces_and_stand_upright() -> None:
    xml = docx.Document(io.BytesIO(docx_file(made(r"$\text{if } x > 0$ and $\sin x$")))).element.xml
    assert '<m:t xml:space="preserve">if </m:t>' in xml
    assert "<m:nor/>" in xml
    assert '<m:sty m:val="p"/>' in xml


@needs_fonts
def test_a_formula_in_a_line_of_a_pdf_is_written_in_words() -> None:
    text = r"""# Tidal power

$\text{if } x > 0$, $\hat{x}$, $\overline{AB}$, $f'(x)$, $90^\circ$, $a\quad b$, $\sin x$, $\underbrace{a+b}_{n}$

## The formula $E = mc^2$ here

## End
"""
    pdf = reader(made(text))
    line = " ".join(pdf.pages[2].extract_text().split())
    for words in ("if x > 0", "x\u0302", "A\u0305B\u0305", "f′(x)", "90°", "a b", "sin x", "(a + b)ₙ"):
        assert words in line, (words, line)
    assert (0, "The formula E = mc² here") in outline(pdf.outline)
    assert "The formula E = mc² here" in pdf.pages[1].extract_text()


@needs_chinese
def test_a_formula_that_no_picture_can_show_is_written_in_words() -> None:
    many = " + ".join(f"x_{{{number}}}" for number in range(40))
    pdf = reader(formulas(r"\text{速度} = \frac{\text{路程}}{\text{时间}}", many, "a = b"))
    text = "".join(page.extract_text() for page in pdf.pages).replace("\0", "")  # between characters of another font
    assert "速度 = 路程/时间" in text
    assert "x₃₉" in text
    assert "a = b" not in text  # that is a picture

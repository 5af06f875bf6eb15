"""The text of files that people bring, with marks that can be cited; what cannot be read is a line that says why."""

from __future__ import annotations

import io
import zipfile

import docx
import pypdf
import pytest
from fpdf import FPDF

from jobs.errors import InvalidRequest
from jobs.requests.generation import parse
from jobs.requests.prompt_folder import Prompts
from web.actions.source_files import read_source, with_texts
from web.documents.sources.readers import Unreadable, read

HTML = b"""<html><head><title>no</title><style>no</style></head><body><h1>The <b>moon</b></h1><p>It  pulls
the <i>sea</i>.<script>no()</script><!-- no --></p><ul><li>one<li>two</ul><pre>a
  b</pre></body></html>"""

MANY = 1 << 20


def pdf(*pages: str) -> bytes:
    file = FPDF()
    file.set_font("Helvetica")
    for text in pages:
        file.add_page()
        file.multi_cell(0, 5, text)
    return bytes(file.output())


def encrypted(content: bytes, password: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.encrypt(password, algorithm="RC4-128")
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def word(*, part: bytes | None = None) -> bytes:
    """A DOCX; with another text of its document if `part` is given."""
    document = docx.Document()
    document.add_paragraph("Before.")
    document.add_heading("The moon", 1)
    document.add_paragraph("It pulls.")
    row = document.add_table(1, 2).rows[0].cells
    row[0].text, row[1].text = "tide", "12 h"
    stream = io.BytesIO()
    document.save(stream)
    if part is None:
        return stream.getvalue()
    changed = io.BytesIO()
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, part if name == "word/document.xml" else old.read(name))
    return changed.getvalue()


def test_each_kind_is_read_with_marks() -> None:
    assert read("a.txt", "\ufeffone\r\n\r\n\r\ntwo".encode()) == "[a.txt]\n\none\n\ntwo"
    assert read("a.MD", "汉字".encode("gb18030")) == "[a.MD]\n\n汉字"
    assert read("a.txt", "x".encode("utf-16")) == "[a.txt]\n\nx"
    assert read("t.csv", b"name;tide\nBay;12\nCape;\n") == "[t.csv, rows 1-2]\n\nname: Bay; tide: 12\nname: Cape"
    assert read("a[1].txt", b"x").startswith("[a(1).txt]\n")
    assert read("n.docx", word()) == "[n.docx]\n\nBefore.\n\n[n.docx, § The moon]\n\nIt pulls.\n\ntide | 12 h"
    assert read("n.pdf", pdf("First page", "", "Third")) == "[n.pdf, p. 1]\n\nFirst page\n\n[n.pdf, p. 3]\n\nThird"
    html = read("p.html", HTML)
    assert html.startswith("[p.html]\n\n[p.html, § The moon]\n\nIt pulls the sea.")
    assert "one\n\ntwo" in html
    assert "a\n  b" in html
    assert "no" not in html


def test_an_encrypted_pdf_without_a_password_is_read() -> None:
    assert "secret" in read("e.pdf", encrypted(pdf("secret"), ""))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.exe", b"MZ", "only .txt, .md"),
        ("a.pdf", b"not a PDF", "it is broken"),
        ("a.pdf", pdf(""), "there is no text in it"),
        ("a.pdf", encrypted(pdf("x"), "word"), "it is encrypted"),
        ("a.docx", b"PK", "it is broken"),
        ("a.docx", word(part=b"\0" * (101 << 20)), "it unpacks to more than 100 MB"),
        ("a.txt", b"\xff\xff\xff", "it is no text in UTF-8"),
        ("a.txt", b" \n", "there is no text in it"),
    ],
)
def test_what_cannot_be_read_says_why(name: str, content: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_source(name, content, MANY, "file")
    assert str(refused.value).startswith(f"{name}: {words}")
    assert refused.value.code == "unreadable_file"
    assert "\n" not in str(refused.value)


def test_no_entity_of_a_docx_is_followed() -> None:
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    secret = "file:///etc/passwd"
    part = (
        f'<!DOCTYPE d [<!ENTITY e SYSTEM "{secret}">]><w:document {space}><w:body><w:p><w:r><w:t>words &e;</w:t></w:r>'
        "</w:p></w:body></w:document>"
    )
    text = read("x.docx", word(part=part.encode()))
    assert "words" in text
    assert "root:" not in text


def test_a_reader_says_what_kinds_there_are() -> None:
    with pytest.raises(Unreadable) as refused:
        read("noname", b"x")
    assert refused.value.values == {"kinds": ".txt, .md, .html, .htm, .docx, .pdf, .csv"}


def body(*parts: str, prompt: str = "") -> bytes:
    reference = f', "prompt": {{"id": "{prompt}", "variables": {{"topic": "x"}}}}' if prompt else ""
    return f'{{"input": [{{"role": "user", "content": [{", ".join(parts)}]}}]{reference}}}'.encode()


FILE = '{"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,dGlkZXM="}'
WORDS = '{"type": "input_text", "text": "Sum up."}'


def test_a_file_of_an_input_becomes_text_in_its_place() -> None:
    create = with_texts(parse(body(FILE, WORDS)), Prompts(None), MANY)
    assert create.input is not None
    assert [part.text for part in create.input[0].content] == ["[a.txt]\n\ntides\n\n", "Sum up."]  # type: ignore[union-attr]


def test_a_file_for_a_report_becomes_its_source() -> None:
    create = with_texts(parse(body(FILE, prompt="report")), Prompts(None), MANY)
    assert create.prompt is not None
    assert create.prompt.variables == {"topic": "x", "source": "[a.txt]\n\ntides"}
    assert create.input is None


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ('{"type": "input_file", "file_id": "file_1"}', "a file is sent as 'file_data'"),
        (FILE.replace("dGlkZXM=", "?"), "the file is not valid base64"),
        (FILE.replace("data:text/plain;base64,", ""), "send 'data:application/pdf;base64,...'"),
        (FILE.replace("a.txt", ""), "at least 1 character"),
    ],
)
def test_a_file_that_is_none_is_refused(part: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(body(part))
    assert words in str(refused.value)

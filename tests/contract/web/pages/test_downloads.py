"""A job's result under its suffixes: .md and .txt as they are written, .html and .json as they are."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import docx
import openai
import pypdf
import pytest

from tests.support.stack import Stack, wait_for
from tests.support.wire import create, fetch, request
from web.documents.exports.fonts import find_fonts

needs_fonts = pytest.mark.skipif(find_fonts().text is None, reason="there is no font on this machine")
ASKED = "# Title\n\n**bold** <script>alert(1)</script> ![x](http://tracker.example/x.png) [[demo echo]]"


def get(penstock: Stack, path: str) -> tuple[str, str, str]:
    """Content type, policy and body of a page."""
    with request(penstock.url, path) as answer:
        assert answer.status == 200
        return answer.headers["Content-Type"], answer.headers["Content-Security-Policy"], answer.read().decode()


@pytest.mark.parametrize(("suffix", "kind"), [("md", "text/markdown"), ("txt", "text/plain")])
def test_the_text_comes_as_it_was_written(penstock: Stack, client: openai.OpenAI, suffix: str, kind: str) -> None:
    job = client.responses.create(input=ASKED)
    content_type, _, text = get(penstock, f"/jobs/{job.id}.{suffix}")
    assert content_type == f"{kind}; charset=utf-8"
    assert text == job.output_text


def test_a_report_is_read_while_it_is_written(penstock: Stack, client: openai.OpenAI) -> None:
    variables = {"topic": "read early [[demo rate=200]]", "words": 20000, "sections": 3}
    job = create(penstock.url, prompt={"id": "report", "variables": variables})["id"]
    with request(penstock.url, f"/jobs/{job}.md") as markdown, request(penstock.url, f"/jobs/{job}.txt") as plain:
        begun = [markdown.read1(), plain.read1()]
        found: Any = client.responses.retrieve(job)
        client.responses.cancel(job)
        whole = [text + answer.read() for text, answer in zip(begun, (markdown, plain), strict=True)]
    assert all(text.startswith(b"# ") for text in begun)
    assert found.penstock["progress"]["done"] == 0  # even section 1 goes on
    ended = client.responses.retrieve(job)
    assert [text.decode() for text in whole] == [ended.output_text] * 2


def test_html_is_one_file_that_loads_and_runs_nothing(penstock: Stack, client: openai.OpenAI) -> None:
    job = client.responses.create(input=ASKED)
    content_type, policy, page = get(penstock, f"/jobs/{job.id}.html")
    assert content_type == "text/html; charset=utf-8"
    none = "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    assert re.fullmatch(rf"default-src 'none'; style-src 'sha256-[\w+/=]+'{none}", policy)
    assert "<strong>bold</strong>" in page
    assert not re.search(r"<(script|img|link|iframe)\b", page)
    assert "tracker.example" in page  # as a link that somebody may follow
    assert "<title>Title</title>" in page


def test_json_is_the_response(penstock: Stack, client: openai.OpenAI) -> None:
    job = client.responses.create(input=ASKED)
    content_type, _, body = get(penstock, f"/jobs/{job.id}.json")
    assert content_type == "application/json"
    assert json.loads(body) == fetch(penstock.url, f"/v1/responses/{job.id}")[1]


def test_a_running_job_has_them_too(penstock: Stack, client: openai.OpenAI) -> None:
    job = create(penstock.url, input="half of it [[demo stall=9]]")["id"]
    penstock.model.wait("half of it", "stalled")
    wait_for(lambda: client.responses.retrieve(job).output_text)
    text = client.responses.retrieve(job).output_text
    assert text.split()[-1] in get(penstock, f"/jobs/{job}.html")[2]
    assert json.loads(get(penstock, f"/jobs/{job}.json")[2])["status"] == "in_progress"
    client.responses.cancel(job)


def test_docx_is_a_file_of_the_same_text(penstock: Stack, client: openai.OpenAI) -> None:
    job = client.responses.create(input="# Title: a/b\n\nwords **of it** [[demo echo]]")
    with request(penstock.url, f"/jobs/{job.id}.docx") as answer:
        assert answer.status == 200
        assert answer.headers.get_filename() == "Title_ a_b.docx"
        document = docx.Document(io.BytesIO(answer.read()))
    assert document.paragraphs[0].text == "Title: a/b"
    assert "words of it" in document.paragraphs[-1].text


@needs_fonts
def test_pdf_is_a_file_of_the_same_text(penstock: Stack, client: openai.OpenAI) -> None:
    job = client.responses.create(input="# Title: a/b\n\nwords **of it** [[demo echo]]")
    with request(penstock.url, f"/jobs/{job.id}.pdf") as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/pdf")
        pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(answer.read())).pages]
    assert "Title: a/b" in pages[0]
    assert "words of it" in pages[-1]


@needs_fonts
def test_a_pdf_that_cannot_be_made_says_why(penstock: Stack, client: openai.OpenAI) -> None:
    job = client.responses.create(input="cuneiform: \U00012000 [[demo echo]]")
    status, body = fetch(penstock.url, f"/jobs/{job.id}.pdf")
    assert (status, body["error"]["code"]) == (422, "font_missing")
    assert "(CUNEIFORM)" in body["error"]["message"]
    browser = {"Accept": "text/html", "Accept-Language": "zh"}
    with request(penstock.url, f"/jobs/{job.id}.pdf", headers=browser) as answer:
        assert answer.status == 422
        assert "字体" in answer.read().decode()


@pytest.mark.parametrize("suffix", ["doc", "html2", "md.html", "%00", "MD"])
def test_there_are_no_other_suffixes(penstock: Stack, client: openai.OpenAI, suffix: str) -> None:
    job = client.responses.create(input="x [[demo tokens=2]]")
    with request(penstock.url, f"/jobs/{job.id}.{suffix}") as answer:
        assert answer.status == 404

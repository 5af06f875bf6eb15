"""Files as sources: read by themselves, as `input_file`, from the form; and which parts a report was written from."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx2
import openai

from tests.support.stack import Stack, wait_for
from tests.support.wire import create, fetch

LONG = "\n\n".join(f"# Part {number}\n\n{'Words of the sea and the moon. ' * 150}" for number in range(1, 4))


def send(penstock: Stack, name: str, content: bytes) -> tuple[int, Any]:
    answer = httpx2.post(f"{penstock.url}/v1/sources", files={"file": (name, content)}, trust_env=False, timeout=60)
    return answer.status_code, answer.json()


def test_a_file_can_be_read_before_it_is_used(penstock: Stack) -> None:
    status, source = send(penstock, "notes.txt", b"two words")
    expected = {"object": "source", "filename": "notes.txt", "bytes": 9, "words": 3, "text": "[notes.txt]\n\ntwo words"}
    assert (status, source) == (200, expected | {"words": source["words"]})
    status, refused = send(penstock, "notes.exe", b"MZ")
    assert (status, refused["error"]["code"], refused["error"]["param"]) == (400, "unreadable_file", "file")
    status, refused = fetch(penstock.url, "/v1/sources", method="POST", body=b"")
    assert (status, refused["error"]["param"]) == (400, "file")


def test_a_file_that_is_too_large_is_refused(penstock: Stack) -> None:
    status, refused = send(penstock, "notes.txt", b"x" * (21 << 20))
    assert status == 413
    assert "at most 20,000,000 bytes" in refused["error"]["message"]


def test_a_page_says_in_its_language_what_is_the_matter(penstock: Stack) -> None:
    def said(path: str, name: str, content: bytes, language: str) -> str:
        files, headers = {"file": (name, content)}, {"Accept-Language": language}
        url = f"{penstock.url}{path}"
        answer = httpx2.post(url, files=files, headers=headers, trust_env=False, timeout=60)
        assert answer.status_code in (400, 413)
        return str(answer.json()["error"]["message"])

    for name, content, english, chinese in (
        ("notes.exe", b"MZ", "notes.exe: only .txt", "notes.exe：只能读取 .txt"),
        ("notes.pdf", b"%PDF-nothing", "notes.pdf: it is broken", "notes.pdf：文件已损坏"),
        ("a.txt", b"x" * 20_000_001, "a.txt: a file has at most 20,000,000", "a.txt：文件最多 20,000,000 字节"),
        ("notes.txt", b"x" * 21_000_000, "file: a file has at most", "file：文件最多"),
    ):
        assert english in said("/sources", name, content, "en")
        assert chinese in said("/sources", name, content, "zh")
        assert english in said("/v1/sources", name, content, "zh")  # programs are told in one language
    read = httpx2.post(f"{penstock.url}/sources", files={"file": ("a.txt", b"x")}, trust_env=False, timeout=60)
    assert (read.status_code, read.json()["text"]) == (200, "[a.txt]\n\nx")


def test_an_input_file_is_what_the_model_reads(penstock: Stack, client: openai.OpenAI) -> None:
    data = base64.b64encode(b"tides [[demo echo]]").decode()
    file: Any = {"type": "input_file", "filename": "a.txt", "file_data": f"data:text/plain;base64,{data}"}
    job = client.responses.create(
        input=[{"role": "user", "content": [file, {"type": "input_text", "text": "Sum up."}]}]
    )
    assert job.output_text.startswith("[a.txt]\n\ntides")
    assert job.output_text.rstrip().endswith("Sum up.")


def test_a_report_says_which_parts_it_was_written_from(penstock: Stack, client: openai.OpenAI) -> None:
    data = base64.b64encode(LONG.encode()).decode()
    part = {"type": "input_file", "filename": "sea.md", "file_data": f"data:text/markdown;base64,{data}"}
    prompt = {"id": "report", "variables": {"topic": "the moon and the sea", "words": 100, "sections": 2}}
    job = create(penstock.url, prompt=prompt, input=[{"role": "user", "content": [part]}])["id"]
    wait_for(lambda: client.responses.retrieve(job).status == "completed")
    ended: Any = client.responses.retrieve(job)
    assert all(section["sources"] for section in ended.penstock["outline"]["sections"])
    page = httpx2.get(f"{penstock.url}/jobs/{job}", trust_env=False, timeout=60).text
    assert "3 parts of the source" in page
    assert page.count("[sea.md]") >= 3
    assert f"used in {ended.penstock['outline']['sections'][0]['title']}" in page


def test_a_form_takes_files_without_a_script(penstock: Stack, client: openai.OpenAI) -> None:
    form = {"prompt": "report", "topic": "tides", "words": "100", "sections": "1", "source": "First."}
    files = [("files", ("a.txt", b"second")), ("files", ("b.csv", b"n\n3\n"))]
    answer = httpx2.post(f"{penstock.url}/jobs", data=form, files=files, trust_env=False, timeout=60)
    assert answer.status_code == 303
    job: Any = client.responses.retrieve(answer.headers["Location"].rsplit("/", 1)[1])
    assert job.prompt.variables["source"] == "First.\n\n[a.txt]\n\nsecond\n\n[b.csv, rows 1-1]\n\nn: 3"
    client.responses.cancel(job.id)
    refused = httpx2.post(
        f"{penstock.url}/jobs", data=form, files=[("files", ("a.exe", b"x"))], trust_env=False, timeout=60
    )
    assert refused.status_code == 400
    assert "a.exe: only .txt" in refused.text


def test_a_batch_takes_no_files(penstock: Stack, client: openai.OpenAI) -> None:
    part = {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,eA=="}
    body = {"input": [{"role": "user", "content": [part]}]}
    line = {"custom_id": "1", "method": "POST", "url": "/v1/responses", "body": body}
    file = client.files.create(file=("lines.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    wait_for(lambda: client.batches.retrieve(batch.id).status == "failed")
    errors = client.batches.retrieve(batch.id).errors
    assert errors is not None
    assert errors.data is not None
    assert "send the text of this one, which /v1/sources gives" in str(errors.data[0].message)

"""Batches of a running Penstock, by the official client, the page and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types import Batch

from tests.support.pictures import png, url_of
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.up import ask

FAST = "[[demo tokens=3 think=1]]"
ENDED = ("completed", "failed", "expired", "cancelled")


def line(custom_id: str, url: str = "/v1/responses", **body: Any) -> str:
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": "demo+rate=0", **body}})


def made(client: openai.OpenAI, *lines: str, endpoint: Any = "/v1/responses") -> Batch:
    file = client.files.create(file=("lines.jsonl", "\n".join(lines).encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", metadata={"kind": "test"}
    )


def ended(client: openai.OpenAI, batch: Batch) -> Batch:
    def look() -> Batch | None:
        now = client.batches.retrieve(batch.id)
        return now if now.status in ENDED else None

    return wait_for(look, 60)


def lines_of(client: openai.OpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id
    found = map(json.loads, client.files.content(file_id).text.splitlines())
    return {each["custom_id"]: each for each in found}


def assert_sum(done: Batch, lines: list[Any]) -> None:
    """The batch has the tokens of all its lines, those that failed included."""
    usages = [each["response"]["body"].get("usage") for each in lines]
    assert done.usage
    for name in ("input_tokens", "output_tokens", "total_tokens"):
        assert getattr(done.usage, name) == sum(usage[name] for usage in usages if usage) > 0
    thoughts = sum(usage["output_tokens_details"]["reasoning_tokens"] for usage in usages if usage)
    assert done.usage.output_tokens_details.reasoning_tokens == thoughts > 0


def test_the_official_client_runs_a_batch(client: openai.OpenAI) -> None:
    batch = made(
        client,
        line("good", input=f"one {FAST}"),
        line("cut", input="two", max_output_tokens=3),
        line("bad", input="three [[demo status=400]]"),
        line("prompted", prompt={"id": "story", "variables": {"topic": "rain", "words": 90}}),
    )
    assert (batch.status, batch.metadata) == ("validating", {"kind": "test"})
    done = ended(client, batch)
    assert done.status == "completed", done.errors
    assert done.request_counts
    assert done.request_counts.to_dict() == {"total": 4, "completed": 3, "failed": 1}
    answers = lines_of(client, done.output_file_id)
    assert set(answers) == {"good", "cut", "prompted"}
    good = answers["good"]
    assert (good["error"], good["response"]["status_code"]) == (None, 200)
    body = good["response"]["body"]
    assert body == client.responses.retrieve(body["id"]).to_dict(warnings=False)
    assert (body["background"], body["service_tier"], body["status"]) == (False, "flex", "completed")
    assert answers["cut"]["response"]["body"]["status"] == "incomplete"
    errors = lines_of(client, done.error_file_id)
    assert list(errors) == ["bad"]
    assert errors["bad"]["response"]["status_code"] == 500
    assert errors["bad"]["response"]["body"]["error"]["message"]
    assert_sum(done, [*answers.values(), *errors.values()])
    outputs = {file.id: file for file in client.files.list(purpose="batch_output")}
    assert outputs[done.output_file_id or ""].bytes > 0
    assert batch.id in [each.id for each in client.batches.list(limit=2)]


def test_chat_completions_are_answered_as_such(client: openai.OpenAI) -> None:
    url = "/v1/chat/completions"
    image = {"type": "image_url", "image_url": {"url": url_of(png())}}
    batch = made(
        client,
        line("text", url, messages=[{"role": "user", "content": f"hello {FAST}"}]),
        line("image", url, messages=[{"role": "user", "content": [{"type": "text", "text": f"see {FAST}"}, image]}]),
        endpoint=url,
    )
    done = ended(client, batch)
    assert done.status == "completed"
    for answer in lines_of(client, done.output_file_id).values():
        body = answer["response"]["body"]
        assert (body["object"], body["choices"][0]["finish_reason"]) == ("chat.completion", "stop")
    assert done.error_file_id is None


def test_a_bad_line_is_told_with_its_number_and_its_reason(client: openai.OpenAI) -> None:
    done = ended(
        client, made(client, line("a", input="x"), line("b", input="x", temperature="hot"), line("a", input="x"))
    )
    assert done.status == "failed"
    assert done.errors
    told = [(error.line, error.param) for error in done.errors.data or ()]
    assert told == [(2, "temperature"), (3, "custom_id")]


def test_a_running_batch_is_cancelled_and_its_files_tell_of_it(client: openai.OpenAI) -> None:
    batch = made(client, line("quick", input=f"x {FAST}"), line("slow", input="y [[demo tokens=100000 rate=5]]"))

    def is_begun() -> bool:
        counts = client.batches.retrieve(batch.id).request_counts
        return bool(counts and counts.completed == 1)

    wait_for(is_begun, 60)
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    done = ended(client, batch)
    assert done.status == "cancelled"
    assert list(lines_of(client, done.output_file_id)) == ["quick"]
    slow = lines_of(client, done.error_file_id)["slow"]
    assert (slow["response"], slow["error"]["code"]) == (None, "batch_cancelled")


def test_what_makes_no_batch_is_refused(client: openai.OpenAI, penstock: Stack) -> None:
    file = client.files.create(file=b"{}", purpose="batch")
    good: dict[str, Any] = {"input_file_id": file.id, "endpoint": "/v1/responses", "completion_window": "24h"}
    for bad in ({"input_file_id": "file-none"}, {"endpoint": "/v1/embeddings"}, {"completion_window": "1h"}):
        with pytest.raises(openai.BadRequestError) as refused:
            client.batches.create(**{**good, **bad})
        assert refused.value.param == next(iter(bad))
    with pytest.raises(openai.BadRequestError, match="purpose"):
        client.files.create(file=b"{}", purpose="assistants")
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_none")
    assert client.files.retrieve(file.id).filename
    assert client.files.content(file.id).content == b"{}"
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(file.id)
    with httpx2.Client(base_url=penstock.url, trust_env=False) as browser:
        assert browser.post("/v1/files", data={"purpose": "batch"}).status_code == 400


def test_a_file_may_be_longer_than_a_request(client: openai.OpenAI) -> None:
    content = b"x" * 5_000_000
    file = client.files.create(file=("long.jsonl", content), purpose="batch")
    assert file.bytes == len(content)
    assert client.files.content(file.id).content == content


def test_the_page_makes_shows_and_cancels(client: openai.OpenAI, penstock: Stack) -> None:
    with httpx2.Client(base_url=penstock.url, trust_env=False, timeout=60) as browser:
        form = {"endpoint": "/v1/responses"}
        lines = line("slow", input="page [[demo tokens=100000 rate=5]]").encode()
        sent = browser.post("/batches", data=form, files={"file": ("page.jsonl", lines)})
        assert (sent.status_code, sent.headers["Location"]) == (303, "/batches")
        newest = next(iter(client.batches.list(limit=1)))
        assert newest.id[:18] in browser.get("/batches").text
        wait_for(lambda: client.batches.retrieve(newest.id).status == "in_progress", 60)
        assert browser.post(f"/batches/{newest.id}/cancel").status_code == 303
        done = ended(client, newest)
        assert f"/v1/files/{done.error_file_id}/content" in browser.get("/batches").text
        for wrong in ({"data": form}, {"data": {"endpoint": "x"}, "files": {"file": ("a", b"{}")}}):
            answer = browser.post("/batches", **wrong)
            assert (answer.status_code, 'class="problem"' in answer.text) == (400, True)
        again = browser.post("/batches", data=form, files={"file": ("bad.jsonl", b"no JSON")})
        assert again.status_code == 303
        assert ended(client, next(iter(client.batches.list(limit=1)))).status == "failed"
        chinese = browser.get("/batches", headers={"Accept-Language": "zh"}).text
        assert "批处理" in chinese
        assert "第 1 行" in chinese


def test_the_command_line_waits_and_prints_the_answers(client: openai.OpenAI, penstock: Stack, tmp_path: Path) -> None:
    file, errors = tmp_path / "some.jsonl", tmp_path / "errors.jsonl"
    file.write_text("\n".join([line("a", input=f"one {FAST}"), line("b", input="two [[demo status=400]]")]))
    done = ask(penstock.url, "batch", str(file), "--errors", str(errors))
    assert done.exit_code == 1, done.stderr
    assert json.loads(done.stdout)["custom_id"] == "a"
    assert json.loads(errors.read_text())["custom_id"] == "b"
    assert "1 of 2 answered, 1 failed" in done.stderr
    file.write_text(line("a", input=f"one {FAST}"))
    batch_id = ask(penstock.url, "batch", str(file), "--detach").stdout.strip()
    assert ask(penstock.url, "batch", batch_id).exit_code == 0
    assert json.loads(ask(penstock.url, "batch", batch_id, "--json").stdout)["status"] == "completed"
    file.write_text("no JSON")
    refused = ask(penstock.url, "batch", str(file))
    assert (refused.exit_code, "line 1:" in refused.stderr) == (1, True)
    assert ask(penstock.url, "batch", str(tmp_path / "none")).exit_code == 2


@pytest.mark.timeout(600)
def test_fifty_thousand_lines_become_jobs_and_one_more_is_refused(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not request.config.getoption("--soak"):
        pytest.skip("takes minutes: --soak")
    lines = [line(f"line {number}", input=f"one {FAST}") for number in range(50_000)]
    with running_stack(tmp_path / "data", PENSTOCK_CONCURRENCY="1") as stack:
        client = stack.client()
        refused = ended(client, made(client, *lines, line("one too many", input="two")))
        assert (refused.status, "50,000" in str(refused.errors)) == ("failed", True)
        batch = made(client, *lines)
        wait_for(lambda: client.batches.retrieve(batch.id).status != "validating", 300)
        taken = client.batches.retrieve(batch.id)
        assert taken.request_counts
        assert (taken.status, taken.request_counts.total) == ("in_progress", 50_000)

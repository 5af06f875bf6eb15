"""Prompts of users from end to end: JSON, parts, chains; the examples, and all that the guide shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from cli.launch.processes import WORKER
from jobs.protocol.headings import noted
from jobs.protocol.ids import item_id
from jobs.requests.job_request import JobRequest
from jobs.requests.parameters import Parameters
from jobs.requests.prompts import Prompt
from jobs.storage.attempts import AttemptStore, Checkpoint, Claim
from jobs.storage.store import Store
from tests.support.assertions import assert_in_order, assert_one_end, follow, row_of
from tests.support.prompt_folder import CHAINS, EXAMPLES, PROMPT, SECRET, guide
from tests.support.stack import Stack, Viewer, running_stack
from tests.support.up import ROOT, clean_environment
from tests.support.wire import create, fetch

SHAPE = {
    "type": "object",
    "required": ["title", "facts"],
    "properties": {"title": {"type": "string"}, "facts": {"type": "array", "items": {"type": "string"}}},
}
FORM = {"format": {"type": "json_schema", "name": "facts", "schema": SHAPE, "strict": True}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of prompts: the examples, the guide's, and some for these tests."""
    folder = tmp_path_factory.mktemp("prompts")
    shutil.copytree(EXAMPLES / "prompts", folder, dirs_exist_ok=True)
    for name, text in guide().items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "user_chains.py").write_text(CHAINS)
    for name in ("parsed", "broken", "an_object"):
        (folder / f"{name}.toml").write_text(PROMPT.format(name=name))
    return folder


@pytest.fixture(scope="module")
def stack(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("prompting") / "data", PENSTOCK_PROMPTS=str(folder)) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as client:
        yield client


def ask(stack: Stack, prompt: str, topic: str = "tides", **fields: Any) -> dict[str, Any]:
    """A job of a prompt, followed to its end, which everything that tells of it tells alike."""
    job = create(stack.url, prompt={"id": prompt, "variables": {"topic": topic}}, **fields)["id"]
    with stack.client() as client:
        return assert_one_end(stack.database, job, follow(client, job))


def text_of(final: dict[str, Any]) -> str:
    return "".join(part["text"] for item in final["output"] for part in item["content"])


# -- JSON ----------------------------------------------------------------------------------------------------------


def test_an_answer_in_json_is_parsed_at_its_end(stack: Stack, client: openai.OpenAI) -> None:
    job = create(stack.url, input="facts about tides", text=FORM)["id"]
    seen = follow(client, job)
    assert_in_order(seen)
    final = assert_one_end(stack.database, job, seen)
    assert final["status"] == "completed"
    assert final["penstock"]["parsed"] == json.loads(text_of(final))
    assert set(final["penstock"]["parsed"]) == {"title", "facts"}
    assert sum(event.type == "response.output_text.delta" for event in seen) > 0


@pytest.mark.parametrize(
    ("script", "form", "words"),
    [
        ("tokens=20", FORM["format"], "JSONDecodeError"),
        ("", {**FORM["format"], "schema": {**SHAPE, "required": ["title", "facts", "price"]}}, "'price' is a required"),
    ],
    ids=["no JSON", "other JSON"],
)
def test_an_answer_that_is_not_what_was_asked_for_fails_and_is_kept(
    stack: Stack, client: openai.OpenAI, script: str, form: dict[str, Any], words: str
) -> None:
    name = f"facts, {words}"
    job = create(stack.url, input=f"{name} [[demo {script}]]", text={"format": form})["id"]
    final = assert_one_end(stack.database, job, follow(client, job))
    assert final["status"] == "failed"
    assert final["error"]["message"].startswith("The answer is not the JSON that was asked for: ")
    assert words in final["error"]["message"]
    assert text_of(final)
    assert final["usage"]["output_tokens"]
    assert "parsed" not in final["penstock"]
    assert stack.model.stats(name)["requests"] == 2  # once more in words: the server might ignore the format
    # What was not good enough is no finished section that a retry could keep.
    _, again = fetch(stack.url, f"/v1/responses/{job}/retry", method="POST", body=b"{}")
    assert follow(client, again["id"])[-1].response.status == "failed"
    assert stack.model.stats(name)["requests"] == 4


def test_an_answer_that_was_cut_off_is_incomplete_and_not_parsed(stack: Stack, client: openai.OpenAI) -> None:
    job = create(stack.url, input="few facts", text=FORM, max_output_tokens=5)["id"]
    final = assert_one_end(stack.database, job, follow(client, job))
    assert (final["status"], final["error"]) == ("incomplete", None)
    assert "parsed" not in final["penstock"]


def test_an_answer_is_parsed_from_its_checkpoint_when_its_worker_died(stack: Stack, client: openai.OpenAI) -> None:
    body: Any = {"text": FORM}
    text = client.responses.create(input="slow facts", **body).output_text
    job = create(stack.url, input="slow facts [[demo rate=20]]", **body)["id"]
    Viewer(client, job).seen(5)
    worker = stack.runner(job)
    worker.kill()
    # It had committed the answer, and did not come to say so.
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    item = {"id": item_id("msg", job, 0, 0), "type": "message", "status": "completed", "role": "assistant"}
    finished = Checkpoint(0, [{**item, "content": [part], "penstock": {"section": 0}}], None)
    AttemptStore(stack.database).checkpoint(Claim(Store(stack.database).get("local", job), 0, 0, []), finished)
    stack.lose(worker)
    stack.start_worker()
    final = assert_one_end(stack.database, job, follow(client, job))
    assert (final["status"], final["penstock"]["parsed"]) == ("completed", json.loads(text))
    assert stack.model.stats("slow facts")["requests"] == 2  # the one for reference, and the job's first


# -- parts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["tides", "潮汐"])
def test_an_explanation_has_its_three_parts(stack: Stack, topic: str) -> None:
    final = ask(stack, "explainer", topic)
    parts = final["penstock"]["parts"]
    assert list(parts) == ["core", "example", "sentence"]
    assert all(parts.values())
    text = text_of(final)
    assert all(part in text for part in parts.values())


def test_a_part_is_finished_when_the_next_has_begun(stack: Stack, client: openai.OpenAI) -> None:
    job = create(stack.url, prompt={"id": "explainer", "variables": {"topic": "slow tides [[demo rate=40]]"}})["id"]
    viewer = Viewer(client, job)
    count, seen = 1, dict[str, str]()
    while not seen:
        count += 1
        written = "".join(getattr(event, "delta", "") for event in viewer.seen(count))
        seen = noted(JobRequest.from_json(row_of(stack.database, job).request), written, whole=False).get("parts", {})
    assert list(seen) == ["core"]
    client.responses.cancel(job)
    final = assert_one_end(stack.database, job, viewer.ended())
    assert final["status"] == "cancelled"
    assert final["penstock"]["parts"]["core"] == seen["core"]
    assert "sentence" not in final["penstock"]["parts"]


# -- chains --------------------------------------------------------------------------------------------------------


def test_a_chain_with_a_parser_is_cancelled_at_once(stack: Stack, client: openai.OpenAI) -> None:
    topic = "parsed and silent"
    job = create(stack.url, prompt={"id": "parsed", "variables": {"topic": f"{topic} [[demo stall=9]]"}})["id"]
    stack.model.wait(topic, "stalled")
    cancelled_at = time.monotonic()
    assert client.responses.cancel(job).status == "cancelled"
    assert stack.model.wait(topic, "closed_by_client") - cancelled_at < 2
    final = assert_one_end(stack.database, job)
    assert text_of(final)
    assert stack.model.stats(topic)["requests"] == 1


def test_a_chain_begins_again_after_a_fault_of_its_model(stack: Stack) -> None:
    final = ask(stack, "parsed", "parsed and dropped [[demo drop=9]]")
    assert final["status"] == "failed"
    assert "connection" in final["error"]["message"]
    assert stack.model.stats("parsed and dropped")["requests"] == 3


def test_invariant_6_never_false_success_of_a_chain(stack: Stack) -> None:
    final = ask(stack, "parsed", "parsed and cut off [[demo nodone=9]]")
    assert (final["status"], final["error"]["message"]) == ("failed", "A model's stream ended before its answer did.")


def test_an_error_of_a_chain_is_its_jobs_end_and_nobody_elses(stack: Stack) -> None:
    final = ask(stack, "broken")
    message = f"""The chain user_chains:broken failed: KeyError: "{SECRET}\""""
    assert (final["status"], final["error"]["message"], final["output"]) == ("failed", message, [])
    assert ask(stack, "parsed", "after it [[demo tokens=3]]")["status"] == "completed"
    logs = [worker.log.read_text() for worker in stack.workers]
    assert any("runnable user_chains:broken: KeyError" in log for log in logs)
    assert not any(SECRET in log for log in logs)


def test_an_object_of_a_chain_is_text_and_parsed(stack: Stack) -> None:
    final = ask(stack, "an_object")
    assert final["penstock"]["parsed"] == json.loads(text_of(final)) == {"topic": "tides"}
    # A schema that the request gives holds for chains, too.
    other = ask(stack, "an_object", text=FORM)
    assert (other["status"], json.loads(text_of(other))) == ("failed", {"topic": "tides"})


@pytest.mark.parametrize(
    ("runnable", "words"),
    [
        ("user_chains:missing", "AttributeError"),
        ("no_such_module:chain", "ModuleNotFoundError"),
        ("user_chains:__name__", "a str is no Runnable"),
    ],
)
def test_a_chain_that_is_not_there_stops_the_worker_at_its_start(
    stack: Stack, folder: Path, tmp_path: Path, runnable: str, words: str
) -> None:
    shutil.copy(folder / "user_chains.py", tmp_path)
    bad = tmp_path / "bad.toml"
    bad.write_text(PROMPT.format(name="bad").replace("user_chains:bad", runnable))
    environment = clean_environment(PENSTOCK_DATA=str(tmp_path), PENSTOCK_PROMPTS=str(tmp_path))
    done = subprocess.run(WORKER, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"penstock worker: prompt file {bad}: runnable {runnable}")
    assert words in line


# -- examples and the guide ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "draft", "letters"),
    [
        ("revised tides", "Write an essay of about 200 words about “revised tides”.", "[a-z]"),
        ("改写潮汐", "请写一篇关于“改写潮汐”的短文，200字左右。", "[\u4e00-\u9fff]"),
    ],
    ids=["en", "zh"],
)
def test_the_example_of_a_chain_writes_twice_and_shows_once(stack: Stack, topic: str, draft: str, letters: str) -> None:
    final = ask(stack, "own_chain", topic)
    assert (final["status"], final["temperature"]) == ("completed", 0.7)
    assert len(re.findall(letters, text_of(final))) > 100
    counts = stack.model.stats(draft)
    assert counts["requests"] == 1
    assert final["usage"]["output_tokens"] > counts["tokens"]  # those of the second step come on top


@pytest.mark.parametrize("name", [name for name in guide() if name.endswith(".toml")])
def test_what_the_guide_shows_works(stack: Stack, name: str) -> None:
    final = ask(stack, name.removesuffix(".toml"))
    assert final["status"] == "completed", final["error"]
    notes = final["penstock"]
    match name:
        case "facts.toml":
            assert len(notes["parsed"]["facts"]) >= 2
        case "sides.toml":
            assert set(notes["parsed"]) == {"pro", "contra"}
        case "advice.toml":
            assert "parts" in notes  # the demo model does not know these headings
        case "headline.toml":
            assert (final["model"], final["temperature"], final["max_output_tokens"]) == ("demo", 1.2, 2000)
            assert final["reasoning"] == {"effort": "low"}


def test_the_guide_names_every_key_of_a_file() -> None:
    text = (ROOT / "docs" / "prompts.md").read_text(encoding="utf-8")
    keys = [*(set(Prompt.model_fields) - {"digest", "path"}), *Parameters.model_fields]
    assert [key for key in keys if not re.search(rf"\b{key}\b", text)] == []

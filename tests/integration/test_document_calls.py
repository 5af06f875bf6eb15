"""Each call of curl in the documents is answered, and the batch of docs/batches.md is written."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import openai
import pytest

from tests.support.documents import blocks
from tests.support.stack import Stack
from tests.support.up import ask, clean_environment, eventually

# The pages that a test runs whole have calls that depend on each other.
CALLS = [
    pytest.param(line, id=f"{block}-{number}")
    for block in blocks("sh")
    if block.document not in ("docs/reports.md", "docs/server.md")
    for number, line in enumerate(block.lines)
    if line.startswith("curl ")
]


@pytest.fixture(scope="module")
def job(penstock: Stack) -> str:
    """An ended job."""
    done = ask(penstock.url, "submit", "story", "topic=penguins", "words=50")
    assert ask(penstock.url, "watch", done.stdout.strip()).exit_code == 0
    return done.stdout.strip()


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")
@pytest.mark.parametrize("call", CALLS)
def test_a_call_of_curl_is_answered(penstock: Stack, job: str, tmp_path: Path, call: str) -> None:
    assert "localhost:8000" in call
    here = re.sub(r"\bID\b", job, call).replace("localhost:8000", penstock.url.removeprefix("http://"))
    here = here.replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
    done = subprocess.run(
        ["bash", "-c", here], cwd=tmp_path, env=clean_environment(), capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    written = [path.read_bytes() for path in tmp_path.iterdir()]
    assert done.stdout or (written and all(written))


def test_the_batch_of_its_page_is_written(
    client: openai.OpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (line,) = (block.text for block in blocks("json") if block.document == "docs/batches.md")
    (program,) = (block.text for block in blocks("python") if block.document == "docs/batches.md")
    Path("questions.jsonl").write_text(line.replace("qwen3:8b", "demo+rate=0+first=0"))
    create, _, last = program.strip().rpartition("\n")
    names: dict[str, object] = {"client": client}
    exec(create, names)
    eventually(lambda: client.batches.retrieve(names["batch"].id).status == "completed", 60)  # type: ignore[attr-defined]
    exec("batch = client.batches.retrieve(batch.id)", names)
    assert '"custom_id":"a"' in eval(last.partition("  #")[0], names).replace(" ", "")

"""The example of a server behind `useChat`: a message is answered, and a page that is loaded again goes on with it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest
from playwright.sync_api import expect

from tests.support import environments
from tests.support.browser import find_browser, running_browser
from tests.support.environments import CLIENTS, Parts
from tests.support.process import Process
from tests.support.stack import Stack, wait_for
from tests.support.up import ROOT, clean_environment

pytestmark = pytest.mark.timeout(600)  # an environment may have to be made first


@contextmanager
def example(penstock: Stack, log: Path, page: Path) -> Iterator[str]:
    """The server of the example with a page; its address."""
    script = ROOT / "examples" / "clients" / "use_chat_server.mjs"
    variables = {"OPENAI_BASE_URL": f"{penstock.url}/v1", "OPENAI_API_KEY": "any", "MODEL": "demo"}
    server = Process(["node", str(script), "0", str(page)], log, clean_environment(**variables))
    try:
        yield wait_for(lambda: re.search(r"listening on (\S+)/\n", server.log.read_text()), 60)[1]
    finally:
        server.kill()


def test_a_chat_is_answered_and_goes_on_after_a_reload(penstock: Stack, client: openai.OpenAI, tmp_path: Path) -> None:
    node = environments.node("ai-sdk-7")
    with example(penstock, tmp_path / "server.log", tmp_path) as url:
        program = (CLIENTS / "use_chat.mjs").read_text(encoding="utf-8")
        seen = Parts(node.run(program, CHAT_URL=f"{url}/api/chat", API_URL=f"{penstock.url}/v1"))
    for part in ("sends", "resumes"):
        assert seen[part]["text"] == client.responses.retrieve(seen[part]["id"]).output_text != ""
    assert seen["sends"]["thought"]
    assert seen["resumes"]["after"] is None


def test_a_page_goes_on_after_a_reload(penstock: Stack, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    program = find_browser()
    if not (program and request.config.getoption("--clients")):
        pytest.skip("runs with --clients, where there is a browser")
    modules = environments.node("use-chat").directory / "node_modules"
    source, bundle = ROOT / "examples" / "clients" / "use_chat_page.jsx", tmp_path / "page.js"
    options = ("--bundle", "--jsx=automatic", f"--outfile={bundle}")
    variables = clean_environment(NODE_PATH=str(modules))
    subprocess.run([modules / ".bin" / "esbuild", source, *options], env=variables, check=True, capture_output=True)
    with example(penstock, tmp_path / "server.log", bundle) as url, running_browser(program) as browser:
        page = browser.new_page()
        page.goto(url)
        page.get_by_label("Message").fill("hello [[demo tokens=200 rate=25]]")
        page.keyboard.press("Enter")
        answer, status = page.locator("p.assistant"), page.get_by_role("status")
        expect(answer).to_contain_text("demo model", timeout=60_000)
        page.reload()
        expect(answer).to_contain_text("demo model", timeout=60_000)
        expect(status).to_have_text("ready", timeout=60_000)
        (job,) = penstock.client().get("/responses?limit=1", cast_to=object)["data"]  # type: ignore[index]
        stored = penstock.client().responses.retrieve(job["id"]).output_text
        assert " ".join(answer.inner_text().split()) == " ".join(stored.split())

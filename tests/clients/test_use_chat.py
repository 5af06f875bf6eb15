"""The example of a server behind `useChat`: a message is answered, and a page that is loaded again goes on with it."""

from __future__ import annotations

import re
from pathlib import Path

import openai
import pytest

from tests.support import environments
from tests.support.environments import CLIENTS, Parts
from tests.support.process import Process
from tests.support.stack import Stack, wait_for
from tests.support.up import ROOT, clean_environment

pytestmark = pytest.mark.timeout(600)  # an environment may have to be made first


def test_a_chat_is_answered_and_goes_on_after_a_reload(penstock: Stack, client: openai.OpenAI, tmp_path: Path) -> None:
    node = environments.node("ai-sdk-7")
    script = ROOT / "examples" / "clients" / "use_chat_server.mjs"
    variables = {"OPENAI_BASE_URL": f"{penstock.url}/v1", "OPENAI_API_KEY": "any", "MODEL": "demo"}
    server = Process(["node", str(script), "0"], tmp_path / "server.log", clean_environment(**variables))
    try:
        address = wait_for(lambda: re.search(r"listening on (\S+)\n", server.log.read_text()), 60)[1]
        program = (CLIENTS / "use_chat.mjs").read_text(encoding="utf-8")
        seen = Parts(node.run(program, CHAT_URL=address))
    finally:
        server.kill()
    for part in ("sends", "resumes"):
        assert seen[part]["text"] == client.responses.retrieve(seen[part]["id"]).output_text != ""
    assert seen["sends"]["thought"]
    assert seen["resumes"]["after"] is None

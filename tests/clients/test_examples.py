"""The agents of examples/clients, run as they stand there."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support import environments
from tests.support.stack import Stack
from tests.support.up import ROOT, clean_environment

pytestmark = pytest.mark.timeout(600)  # an environment may have to be made first


@pytest.mark.parametrize(
    ("script", "environment"), [("agent_with_tools.py", "agents"), ("langchain_agent.py", "langchain-agent")]
)
def test_an_agent_calls_its_function_and_answers(
    penstock: Stack, script: str, environment: str, request: pytest.FixtureRequest
) -> None:
    if environment != "agents" and not request.config.getoption("--clients"):
        pytest.skip("runs with --clients")
    interpreter = environments.python(environment).command[0]
    program = [interpreter, "-E", "-s", str(ROOT / "examples" / "clients" / script)]
    done = subprocess.run(
        [*program, "What is the weather? [[demo calls=1]]", "demo+rate=0"],
        env=clean_environment(OPENAI_BASE_URL=f"{penstock.url}/v1", OPENAI_API_KEY="any"),
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    called, _, answer = done.stdout.partition("\n")
    assert re.fullmatch(r"\(weather was asked for .+\)", called)
    assert len(answer.split()) > 5

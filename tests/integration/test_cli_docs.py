"""`penstock docs`: the documents as a site."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx2
import pytest

from cli.launch.listening import listen
from tests.support.process import Process
from tests.support.stack import START_SECONDS, wait_for
from tests.support.up import COMMAND, clean_environment, command

pytest.importorskip("material", reason="mkdocs-material is not installed")


def answer(url: str) -> httpx2.Response | None:
    """What a page answers; None while nothing listens there."""
    try:
        return httpx2.get(url, trust_env=False, timeout=30)
    except httpx2.TransportError:
        return None


def test_the_documents_are_served(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as free:
        port = free.port
    process = Process([*COMMAND, "docs", "--port", str(port)], tmp_path / "docs.log", clean_environment())
    try:
        url = f"http://127.0.0.1:{port}"
        home = wait_for(lambda: answer(url) or (not process.is_running and process.exit_reason), START_SECONDS)
        assert isinstance(home, httpx2.Response), home
        assert "Long language model generations" in home.text
        for page in ("install", "ARCHITECTURE", "ops/runbook"):
            found = answer(f"{url}/{page}/")
            assert found is not None
            assert found.status_code == 200, page
    finally:
        process.kill()


def test_a_port_in_use_is_one_line() -> None:
    with listen("127.0.0.1", 0) as taken:
        done: subprocess.CompletedProcess[str] = command("docs", "--port", str(taken.port))
    assert done.returncode == 2
    assert done.stderr == f"Error: port {taken.port} is in use: choose another with --port\n"

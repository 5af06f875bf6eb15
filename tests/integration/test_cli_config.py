"""`penstock config`: the value in force of each setting, and where it is made; and what a shell completes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.client.completions import job_ids
from cli.client.jobs import show
from cli.main import main
from jobs.settings import Settings
from tests.support.stack import Stack
from tests.support.up import ask


def lines_of(*arguments: str) -> list[str]:
    done = CliRunner().invoke(main, ["config", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_each_setting_has_its_value_and_its_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("penstock.toml").write_text(
        'concurrency = 3\n[servers.a]\nurl = "http://a/v1"\nmodels = ["a"]\nkey = "sk-not-to-be-shown"\n'
    )
    (tmp_path / "secret").write_text("also-not-to-be-shown")
    monkeypatch.setenv("PENSTOCK_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("PENSTOCK_REDIS_URL", "redis://:not-to-be-shown@redis/0")
    lines = {line.split()[0]: line for line in lines_of()}
    assert list(lines) == list(Settings.variables().values())
    assert lines["PENSTOCK_CONCURRENCY"].split() == ["PENSTOCK_CONCURRENCY", "3", "(penstock.toml,", "line", "1)"]
    assert lines["PENSTOCK_LEASE_SECONDS"].split() == ["PENSTOCK_LEASE_SECONDS", "15", "(default)"]
    assert lines["PENSTOCK_SECRET"].split() == ["PENSTOCK_SECRET", "(set)", "(PENSTOCK_SECRET_FILE)"]
    assert lines["PENSTOCK_REDIS_URL"].split()[1:] == ["redis://redis/0", "(PENSTOCK_REDIS_URL)"]
    assert lines["PENSTOCK_SERVERS"].endswith("(penstock.toml, line 2)")
    assert "not-to-be-shown" not in str(lines)
    assert {line.split()[0] for line in lines_of("--changed")} == {
        *("PENSTOCK_CONCURRENCY", "PENSTOCK_SECRET", "PENSTOCK_REDIS_URL", "PENSTOCK_SERVERS")
    }
    (shown,) = lines_of("concurrency", "--json", "--changed")
    meaning = {"meaning": "Generations at once in a worker."}
    assert json.loads(shown) == {
        "name": "PENSTOCK_CONCURRENCY",
        "value": 3,
        "origin": "penstock.toml, line 1",
        **meaning,
    }
    assert lines_of("lease_seconds")[1] == "  A worker silent for so long is dead, and its jobs go on elsewhere."


def test_a_shell_completes_the_ids_of_jobs(penstock: Stack) -> None:
    job = ask(penstock.url, "submit", "--input", "[[demo rate=0 tokens=1]] x").stdout.strip()
    context = show.make_context("show", ["--url", penstock.url], resilient_parsing=True)
    assert [item.value for item in job_ids(context, show.params[0], "las")] == ["last"]
    assert job in [item.value for item in job_ids(context, show.params[0], "resp_")]
    nobody = show.make_context("show", ["--url", "http://127.0.0.1:1"], resilient_parsing=True)
    assert [item.value for item in job_ids(nobody, show.params[0], "")] == ["last"]

"""`penstock keys`: keys, and what their owners may have."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.up import COMMAND, clean_environment


def keys(data: Path, *arguments: str) -> tuple[int, str, str]:
    argv: Sequence[str] = [*COMMAND, "keys", *arguments]
    environment = clean_environment(PENSTOCK_DATA=str(data))
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_limits_are_given_with_a_key_changed_and_listed(tmp_path: Path) -> None:
    code, key, told = keys(tmp_path, "create", "alice", "--limit", "jobs_queued=5", "--limit", "tokens_a_day=0")
    assert (code, key[:12], told) == (0, "sk-penstock-", "limits of alice: jobs_queued=5 tokens_a_day=0\n")
    assert keys(tmp_path, "create", "bob")[0] == 0
    lines = keys(tmp_path, "list")[1].splitlines()
    assert lines[0].endswith("alice  jobs_queued=5 tokens_a_day=0")
    assert lines[1].endswith("bob")
    arguments = ("--limit", "jobs_queued=default", "--limit", "open_streams=3")
    assert keys(tmp_path, "limit", "alice", *arguments)[2] == "limits of alice: open_streams=3 tokens_a_day=0\n"


@pytest.mark.parametrize(
    ("limit", "words"),
    [("jobs=5", "there are jobs_queued"), ("jobs_queued", "has to be a number"), ("jobs_queued=-1", "not '-1'")],
)
def test_a_limit_that_is_none_is_refused(tmp_path: Path, limit: str, words: str) -> None:
    code, _, told = keys(tmp_path, "create", "alice", "--limit", limit)
    assert code == 2
    assert words in " ".join(told.split())


@pytest.mark.parametrize("owner", ["", " ", "a\nb", "a" * 65])
def test_an_owner_has_a_name(tmp_path: Path, owner: str) -> None:
    code, key, told = keys(tmp_path, "create", owner)
    assert (code, key) == (2, "")
    assert "a name has 1 to 64 characters" in " ".join(told.split())

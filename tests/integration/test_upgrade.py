"""`penstock up` over a database that an earlier version left in the middle: nothing is lost, and its jobs go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.support import released_database
from tests.support.up import Up, running
from tests.support.up import command as cli


@pytest.mark.parametrize("name", released_database.names())
def test_jobs_of_an_earlier_version_go_on(tmp_path: Path, name: str) -> None:
    jobs = released_database.restore(name, tmp_path / "data")
    with running(tmp_path / "data", "--demo") as up:
        assert up.url, up.words
        assert "now being written" not in up.words
        for state in ("completed", "in_progress", "queued"):
            check_completed(up, jobs[state])
        assert released_database.text_of(shown(up, jobs["completed"])) == released_database.text_of(jobs["completed"])
        assert shown(up, jobs["cancelled"])["status"] == "cancelled"
        assert shown(up, jobs["in_progress"])["penstock"]["attempt"] == 2
        assert up.end() == 0
    checked = cli("db", "check", PENSTOCK_DATA=str(tmp_path / "data"))
    assert (checked.returncode, checked.stdout) == (0, "")
    assert checked.stderr.endswith(" jobs checked, 0 wrong\n")
    assert list((tmp_path / "data").glob(f"penstock.db.{name}.bak"))


def check_completed(up: Up, job: dict[str, Any]) -> None:
    """It is followed to its end, and its file and its page have the text that was followed."""
    watched = up.run("watch", job["id"])
    assert watched.exit_code == 0, watched.stderr
    with urlopen(f"{up.url}/jobs/{job['id']}.txt", timeout=30) as exported:
        assert exported.read().decode().strip() == watched.stdout.strip() != ""
    assert shown(up, job)["status"] == "completed"


def shown(up: Up, job: dict[str, Any]) -> dict[str, Any]:
    """The response as it is told today."""
    found: dict[str, Any] = json.loads(up.run("show", job["id"], "--format", "json").stdout)
    return found

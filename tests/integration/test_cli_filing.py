"""`penstock rename`, `star` and `label`, and the lists that find jobs by them."""

from __future__ import annotations

import json
import secrets
from datetime import date, timedelta

from click.testing import Result

from tests.support.stack import Stack
from tests.support.up import ask


def run(penstock: Stack, *arguments: str) -> Result:
    return ask(penstock.url, *arguments)


def listed(penstock: Stack, *arguments: str) -> list[str]:
    return [line.split()[0] for line in run(penstock, "list", *arguments).stdout.splitlines()]


def test_jobs_are_filed_and_found(penstock: Stack) -> None:
    label = f"l{secrets.token_hex(6)}"
    job, other = (run(penstock, "submit", "--input", "filed [[demo tokens=1]]").stdout.strip() for _ in range(2))
    done = run(penstock, "rename", job, f"Of {label}")
    assert (done.exit_code, done.stderr) == (0, f"{job} has Of {label}\n")
    assert run(penstock, "star", job).exit_code == 0
    assert run(penstock, "label", job, label, "two words").exit_code == 0
    done = run(penstock, "label", other, label, "--json")
    assert json.loads(done.stdout)["metadata"] == {"labels": label}
    assert done.stderr == f"{other} has no title of its own, {label}\n"
    assert listed(penstock, "--label", label) == [other, job]
    assert listed(penstock, "--label", label, "--sort", "oldest") == [job, other]
    assert listed(penstock, "--label", label, "--starred") == listed(penstock, "-q", label) == [job]
    today, tomorrow = date.today(), date.today() + timedelta(days=1)
    assert listed(penstock, "--label", label, "--since", f"{today - timedelta(days=1)}", "--until", f"{tomorrow}")
    assert not listed(penstock, "--label", label, "--until", "2020-01-01")
    run(penstock, "star", job, "--remove")
    run(penstock, "label", job, "two words", "--remove")
    run(penstock, "rename", job, "")
    assert json.loads(run(penstock, "show", job, "--format", "json").stdout)["metadata"] == {"labels": label}


def test_what_cannot_be_filed_is_said(penstock: Stack) -> None:
    job = run(penstock, "submit", "--input", "unfiled [[demo tokens=1]]").stdout.strip()
    done = run(penstock, "rename", job, "x" * 81)
    assert (done.exit_code, "at most 80 characters" in done.stderr) == (2, True)
    done = run(penstock, "label", job, *(f"{number:060}" for number in range(9)))
    assert done.exit_code == 2
    assert "metadata" in done.stderr
    assert run(penstock, "star", "resp_" + "0" * 40).exit_code == 5

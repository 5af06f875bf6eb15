"""Shell completion: click's own scripts, and answers that do not wait for imports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import commands

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = "from cli.main import main; main(prog_name='penstock')"
HEAVY = {"openai", "pydantic", "sqlalchemy", "rich", "jsonschema"}


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as it is when it is installed: under its own name."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )


@pytest.mark.parametrize("words", ["penstock ", "penstock w"])
def test_names_are_completed_without_importing_anything(words: str) -> None:
    asked = {"_PENSTOCK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "1"}
    done = python("-X", "importtime", "-c", PROGRAM, **asked)
    start = words.split(" ")[1]
    assert done.stdout.split() == [f"plain,{name}" for name in commands() if name.startswith(start)]
    assert "plain,watch" in done.stdout.split()
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert not HEAVY & imported


@pytest.mark.parametrize(
    ("words", "completions"),
    [("penstock watch --no-", "--no-follow"), ("penstock prompts l", "list lint"), ("penstock --v", "--version")]
    + [("penstock list --status c", "completed cancelled"), ("penstock list --status in", "in_progress incomplete")]
    + [("penstock submit st", "story"), ("penstock prompts show re", "report"), ("penstock submit story to", "topic=")],
)
def test_options_and_inner_commands_are_completed(words: str, completions: str) -> None:
    asked = {"_PENSTOCK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = python("-c", PROGRAM, **asked)
    assert set(done.stdout.split()) == {f"plain,{name}" for name in completions.split()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str) -> None:
    script = python("-c", PROGRAM, "completion", shell).stdout
    assert f"_PENSTOCK_COMPLETE={shell}_complete" in script
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script, text=True, check=True)


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if not bash:
        pytest.skip("there is no bash")
    program = tmp_path / "penstock"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{PROGRAM}" "$@"\n')
    program.chmod(0o755)
    script = python("-c", PROGRAM, "completion", "bash").stdout
    lines = [
        script,
        "COMP_WORDS=(penstock complet)",
        "COMP_CWORD=1",
        "_penstock_completion penstock",
        'echo "${COMPREPLY[@]}"',
    ]
    places = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    done = subprocess.run(
        [bash],
        input="\n".join(lines),
        cwd=ROOT,
        env={**os.environ, "PATH": places, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["completion"]


def test_an_unknown_shell_is_named() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        python("-c", PROGRAM, "completion", "tcsh")
    assert failed.value.returncode == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in failed.value.stderr

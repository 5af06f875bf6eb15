"""`prompts`: the built-in ones and a person's own, as they are listed, shown and checked."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli.main
from jobs.requests.prompts import BUILT_IN

STORY = (BUILT_IN / "story.toml").read_text()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's folder of prompts: one of their own, and one that is built in, otherwise."""
    monkeypatch.setenv("PENSTOCK_PROMPTS", str(tmp_path))
    (tmp_path / "tale.toml").write_text(STORY.replace('id = "story"', 'id = "tale"'))
    (tmp_path / "story.toml").write_text(STORY.replace('version = "1"', 'version = "mine"'))
    return tmp_path


def prompts(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main.main, ["prompts", *arguments])


def test_the_list_has_id_version_and_title(folder: Path) -> None:
    lines = {line.split()[0]: line for line in prompts("list").stdout.splitlines()}
    assert {"explainer", "story", "tale"} <= set(lines)
    digest = sha256((folder / "story.toml").read_bytes()).hexdigest()
    assert lines["story"].split(None, 2) == ["story", f"mine-{digest[:8]}", "Story / 故事"]
    listed = {prompt["id"]: prompt for prompt in map(json.loads, prompts("list", "--json").stdout.splitlines())}
    assert set(listed) == set(lines)
    assert listed["story"]["version"] == "mine"


def test_a_prompt_is_shown_with_its_variables_and_messages(folder: Path) -> None:
    shown = prompts("show", "tale").stdout
    assert shown.startswith("tale 1\nStory\n故事\nA short story about")
    assert "\ntopic: string, required, minLength 1, maxLength 2000\n" in shown
    assert "\nwords: integer, minimum 50, maximum 20000, default 300\n" in shown
    assert '\nlanguage: string, enum ["zh", "en"]\n' in shown
    assert "\n[en, user]\nWrite a story of about {{words}} words" in shown
    assert "\n[zh, user]\n请写一个关于" in shown
    whole = json.loads(prompts("show", "tale", "--json").stdout)
    assert whole["inputs"]["required"] == ["topic"]
    assert [message["role"] for message in whole["messages"]["zh"]] == ["system", "user"]


def test_an_unknown_prompt_is_exit_code_2(folder: Path) -> None:
    done = prompts("show", "tail")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: There is no prompt 'tail'; there are ")


def test_good_prompts_are_counted(folder: Path) -> None:
    done = prompts("lint")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "2 prompts are good\n")
    assert prompts("lint", str(folder / "tale.toml")).stderr == "1 prompts are good\n"


def test_each_bad_prompt_is_a_line_with_its_file(folder: Path) -> None:
    (folder / "a.toml").write_text("id = ")
    (folder / "b.toml").write_text(STORY.replace("{{words}}", "{{wrods}}"))
    (folder / "c.toml").write_text(STORY.replace('version = "1"', ""))
    missing = folder / "d.toml"
    for arguments in ([], [str(file) for file in [*sorted(folder.glob("*.toml")), missing]]):
        done = prompts("lint", *arguments)
        lines = done.stdout.splitlines()
        assert done.exit_code == 2
        assert done.stderr == "2 prompts are good\n"
        assert [line.split(":")[0] for line in lines[:3]] == [f"prompt file {folder}/{name}.toml" for name in "abc"]
        assert "{{wrods}} is not among its inputs" in lines[1]
        assert lines[2].endswith("version: Field required")
        assert len(lines) == (4 if arguments else 3)
    assert prompts("list").exit_code == 2


def test_with_no_prompts_of_ones_own_there_is_nothing_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_PROMPTS", raising=False)
    for folder in (None, "/nonexistent"):
        if folder:
            monkeypatch.setenv("PENSTOCK_PROMPTS", folder)
        done = prompts("lint")
        assert done.exit_code == 2
        assert "name a file, or the folder of your prompts in PENSTOCK_PROMPTS" in done.stderr

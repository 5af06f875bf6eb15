"""Prompts of one's own without a restart: made, changed and tried; the page and the API show them as they are now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import Stack, running_stack, wait_for
from tests.support.up import ask
from tests.support.wire import create, fetch, request


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prompts")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Stack]:
    """A Penstock with a folder of prompts, empty at first."""
    with running_stack(tmp_path_factory.mktemp("own") / "data", PENSTOCK_PROMPTS=str(folder)) as running:
        yield running


@pytest.fixture(autouse=True)
def named_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_PROMPTS", str(folder))


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have $EDITOR change a file by a script of sed."""
    program = tmp_path / "editor"
    program.write_text(f"#!/bin/sh\nsed -i '{script}' \"$1\"\n")
    program.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(program))


def shown(site: Stack, prompt_id: str) -> Any:
    status, prompt = fetch(site.url, f"/v1/prompts/{prompt_id}")
    return prompt if status == 200 else None


def test_a_new_prompt_and_each_change_count_without_a_restart(
    site: Stack, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ask(site.url, "prompts", "new", "letter")
    assert made.stdout.strip() == str(folder / "letter.toml")
    first = wait_for(lambda: shown(site, "letter"))
    prompt = {"id": "letter", "variables": {"topic": "rain [[demo tokens=3]]"}}
    before = create(site.url, prompt=prompt)["id"]

    editor(tmp_path, monkeypatch, "s/Write about/Sing of/")
    assert ask(site.url, "prompts", "edit", "letter").exit_code == 0
    second = wait_for(lambda: found if (found := shown(site, "letter")) != first else None)
    assert (first["version"], second["version"]) == ("1", "1")
    assert first["revision"] != second["revision"]
    after = create(site.url, prompt={**prompt, "version": second["revision"]})["id"]
    status, refused = fetch(
        site.url,
        "/v1/responses",
        method="POST",
        body=b'{"prompt": {"id": "letter", "version": "%b", "variables": {"topic": "x"}}}' % first["revision"].encode(),
    )
    assert (status, refused["error"]["param"]) == (400, "prompt.version")
    for job_id, revision, words in ((before, first, "Write about rain"), (after, second, "Sing of rain")):
        with request(site.url, f"/jobs/{job_id}") as answer:  # each job keeps the one that it was made with
            page = answer.read().decode()
        assert revision["revision"] in page
        assert words in page


def test_a_bad_change_is_not_taken_and_not_lost(
    site: Stack, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(site.url, "prompts", "new", "brief", "--from", "story").exit_code == 0
    good = wait_for(lambda: shown(site, "brief"))
    editor(tmp_path, monkeypatch, "s/{{topic}}/{{nothing}}/")
    refused = ask(site.url, "prompts", "edit", "brief")
    assert (refused.exit_code, "nothing" in refused.stderr) == (2, True)
    assert "{{nothing}}" in (folder / "brief.toml.draft").read_text()
    assert shown(site, "brief") == good
    editor(tmp_path, monkeypatch, "s/{{nothing}}/{{topic}}/")
    assert ask(site.url, "prompts", "edit", "brief").exit_code == 0  # goes on with that text
    assert not (folder / "brief.toml.draft").exists()
    # A file that somebody breaks by other means leaves the version before it.
    (folder / "brief.toml").write_text("id = ")
    web_log = site.directory / "web0.log"
    wait_for(lambda: shown(site, "brief") and b"the version before it stays" in web_log.read_bytes())
    (folder / "brief.toml").unlink()
    wait_for(lambda: shown(site, "brief") is None)


def test_a_prompt_is_tried_before_a_job_uses_it(site: Stack, folder: Path) -> None:
    ask(site.url, "prompts", "new", "trial")
    tried = ask(site.url, "prompts", "try", "trial", "topic=snow")
    assert "[user]\nWrite about snow." in tried.stdout
    file = str(folder / "trial.toml")
    sent = ask(site.url, "prompts", "try", file, "topic=[[demo echo]] snowflakes", "--send")
    assert (sent.exit_code, "snowflakes" in sent.stdout) == (0, True)
    assert "section, user]" in ask(site.url, "prompts", "try", "report", "topic=snow").stdout
    assert ask(site.url, "prompts", "try", "trial").exit_code == 2  # its topic is required
    assert ask(site.url, "prompts", "new", "trial").exit_code == 2
    assert ask(site.url, "prompts", "new", "No Id").exit_code == 2


def test_the_page_shows_variables_and_templates(site: Stack) -> None:
    with request(site.url, "/prompts") as answer:
        page = answer.read().decode()
    assert 'id="report"' in page
    assert "<code>audience</code>" in page
    assert "You plan reports in {{language_name}}" in page
    listed = [prompt["id"] for prompt in fetch(site.url, "/v1/prompts")[1]["data"]]
    assert {"report", "story"} <= set(listed)
    assert fetch(site.url, "/v1/prompts/none")[0] == 404

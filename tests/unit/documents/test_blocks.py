"""Each block of the documents is run or compared by a test: here those that are not run elsewhere, and that all are."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import orjson
import pytest
import yaml  # type: ignore[import-untyped]

from jobs.settings import Settings
from tests.support.documents import BLOCK, DOCUMENTS, Block, blocks
from tests.support.up import ROOT

# Documents whose blocks are run whole, and by which test.
RUN_WHOLE = {
    "docs/reports.md": "tests/integration/test_reports_page.py",
    "docs/server.md": "tests/integration/test_server_page.py",
}
# What the lines of a block in `sh` call, and what sees to it that it is right. Other programs are not ours to try.
COMPARED = {
    "penstock": "tests/unit/documents/test_claims.py",
    "curl": "tests/integration/test_document_calls.py",
    "start.py": "this file",
    "-m": "this file",
    "pytest": "this file",
    "other": "",
}
OTHERS = {"git", "cd", "export", "pkill", "pip", "pipx", "uv", "pg_dump", "docker"}
OF_START = {"test", "bench"}


def kind(line: str) -> str:
    """What a line of a block calls."""
    words = [word for word in shlex.split(line, comments=True) if not re.match(r"[A-Z_]+=", word)]
    program = Path(words[0]).name if words else "other"
    if program.startswith("python"):
        program = words[1] if words[1] != "-" else "other"
    return "other" if program in OTHERS else program


def test_every_line_is_run_or_compared() -> None:
    for block in blocks("sh"):
        if block.document in RUN_WHOLE:
            assert (ROOT / RUN_WHOLE[block.document]).exists()
            continue
        for line in re.sub(r"<<'(\w+)'\n.*?\n\1$", "", block.text.replace("\\\n", " "), flags=re.S | re.M).splitlines():
            if line.strip():
                assert kind(line) in COMPARED, f"{block}: {line}"


def test_every_language_has_a_test() -> None:
    languages = {match[2] for path in DOCUMENTS for match in BLOCK.finditer(path.read_text(encoding="utf-8"))}
    assert languages <= {"sh", "console", "text", "python", "js", "toml", "json", "yaml", "nginx", "mermaid", ""}
    assert {block.document for block in blocks("js")} <= {
        "README.md",
        "docs/programs.md",
    }  # tests/clients/test_readme.py
    assert {block.document for block in blocks("toml")} <= {"docs/models.md", "docs/prompts.md"}


@pytest.mark.parametrize("block", [block for block in blocks("sh") if block.document not in RUN_WHOLE], ids=str)
def test_what_start_and_python_are_given_is_there(block: Block) -> None:
    for line in block.lines:
        words = shlex.split(line, comments=True)
        if "start.py" in words and words[-1] != "start.py":
            command = words[words.index("start.py") + 1]
            assert command in OF_START or command.startswith("-"), f"{block}: {line}"
            if command == "bench":
                assert list((ROOT / "bench").glob(f"{words[words.index('bench') + 1]}*")), f"{block}: {line}"
        if "-m" in words and words[0].endswith("python"):
            module = ROOT / words[words.index("-m") + 1].replace(".", "/")
            assert module.with_suffix(".py").exists() or (module / "__main__.py").exists(), f"{block}: {line}"
        for path in re.findall(r"(?<![\w/.])(?:tests|ops|docs|bench|examples)/[\w./-]+", line):
            assert (ROOT / path).exists(), f"{block}: {path}"


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_can_be_compiled(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_can_be_read(block: Block) -> None:
    assert yaml.safe_load(block.text)


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_can_be_read(block: Block) -> None:
    text = block.text.strip()
    for document in [text] if text.count("\n{") == 0 else text.splitlines():
        assert orjson.loads(document)


def test_the_settings_of_the_page_on_models_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = (block for block in blocks("toml") if block.document == "docs/models.md")
    (tmp_path / "penstock.toml").write_text(block.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("MY_KEY", "DASHSCOPE_API_KEY"):
        monkeypatch.setenv(name, "sk-any")
    settings = Settings.load()
    assert set(settings.servers) == set(tomllib.loads(block.text)["servers"])
    assert settings.listed
    assert set(settings.prices) <= set(settings.listed)

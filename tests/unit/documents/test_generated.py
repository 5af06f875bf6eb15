"""The documents that are made from the code are as it makes them today."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

from cli import exit_codes
from jobs.configuration.meanings import meanings
from jobs.settings import Settings
from tests.documents.__main__ import DOCUMENTS
from tests.documents.commands import commands_page
from tests.documents.third_party import packages
from tests.support.up import ROOT

REMEDY = "run `python -m tests.documents`"


@pytest.mark.parametrize("name", sorted(set(DOCUMENTS) - {"docs/third-party.md"}))
def test_a_document_is_what_the_code_makes_of_it(name: str) -> None:
    # In a process of its own: click keeps the options of help that a command was first asked with.
    program = f"from tests.documents.__main__ import DOCUMENTS\nprint(DOCUMENTS[{name!r}](), end='')"
    made = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / name).read_text() == made, REMEDY


def test_each_setting_has_a_meaning() -> None:
    assert sorted(name for texts in meanings().values() for name in texts) == sorted(Settings.model_fields)


def test_each_exit_code_is_explained() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper()}
    assert all(f"\n| {code} | " in commands_page() for code in codes)


def test_the_notices_name_what_is_installed() -> None:
    text = (ROOT / "docs/third-party.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ") and line[2] != "-"][1:]
    assert {row[0][2:]: row[1] for row in rows} == packages(), REMEDY
    assert all(row[2].strip() for row in rows)
    if all(_version(name) in ("", pinned) for name, pinned in packages().items()):
        assert text == DOCUMENTS["docs/third-party.md"](), REMEDY


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""

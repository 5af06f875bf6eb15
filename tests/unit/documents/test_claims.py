"""What the documents name is there: commands, flags, settings, paths of the API, exit codes, words of errors."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.requests import chat_request, generation
from jobs.settings import Settings
from tests.documents.commands import all_commands
from tests.support.documents import BLOCK, DOCUMENTS
from tests.support.up import ROOT
from web.routes import ROUTES

COMMANDS = dict(all_commands())
GROUPS = {words.split()[0] for words in COMMANDS if " " in words}
# Variables of client commands, and the one that is misspelt on purpose.
OTHER_VARIABLES = {"PENSTOCK_URL", "PENSTOCK_API_KEY", "PENSTOCK_CONCURENCY"}
CALL = re.compile(r"(?:[$] )?(?:\.venv/bin/|docker compose exec web )?penstock ([a-z].*)")


def calls(document: Path) -> Iterator[str]:
    """Each call of `penstock` in a document, in a block or between back-quotes, without what the shell does with it."""
    text = document.read_text(encoding="utf-8")
    blocks = [match[3] for match in BLOCK.finditer(text) if match[2] in ("sh", "console")]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    quoted = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", BLOCK.sub("", text))
    for match in filter(None, (CALL.match(line.strip()) for line in [*lines, *quoted])):
        yield re.sub(r"[…\[\]]|\.\.\.", "", re.split(r"\s#|\s[|>&]|\s2>|;", match[1])[0]).strip()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_flags_are_there(document: Path) -> None:
    for call in calls(document):
        words = shlex.split(call)
        name = " ".join(words[: 2 if words[0] in GROUPS else 1])
        if name in GROUPS:  # `penstock webhooks`, for all that is in it
            continue
        assert name in COMMANDS, f"penstock {call}"
        options = {option for one in COMMANDS[name].params for option in (*one.opts, *one.secondary_opts)}
        used = {word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
        if not COMMANDS[name].context_settings.get("ignore_unknown_options"):
            assert used <= options | {"--help"}, f"penstock {call}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_settings_are_there(document: Path) -> None:
    known = {*Settings.variables().values(), *OTHER_VARIABLES}
    named = set(re.findall(r"\bPENSTOCK_[A-Z][A-Z_]*[A-Z]\b", document.read_text(encoding="utf-8")))
    assert {name for name in named if not {name, name.removesuffix("_FILE")} & known} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_of_the_server_are_there(document: Path) -> None:
    known = {re.sub(r"<[^>]*>", "*", route.path) for route in ROUTES}
    for path in re.findall(r"(?:GET|POST|DELETE) (/[a-z0-9_/{}A-Z.-]*)", document.read_text(encoding="utf-8")):
        shape = re.sub(r"/(\{[^}]*\}|[A-Z]+)(?=/|$)", "/*", path.rstrip("/.") or "/")
        assert shape in known, f"{document.name}: {path}"


def test_what_is_refused_is_what_the_api_page_says() -> None:
    text = (ROOT / "docs/api.md").read_text(encoding="utf-8").partition("<!-- compared with the code -->")[2]
    named = set(re.findall(r"`(\w+)`", text.partition("- tools other")[0]))
    assert named == {*generation.UNSUPPORTED_FIELDS, *chat_request.UNSUPPORTED_FIELDS}


def test_words_of_errors_are_the_programs_own() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    files = [
        ROOT / "start.py",
        *(path for room in ("cli", "jobs", "web", "worker") for path in (ROOT / room).rglob("*.py")),
    ]
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    for words in re.findall("`([^`]+)`", "".join(re.findall(r"^\| (`[^|]+) ", text, re.MULTILINE))):
        # What stands for a value, and what is put together when it is said, is between the pieces.
        for piece in re.split(r"\.\.\.|; |PENSTOCK_CONCURENCY: |8000|\d+ s", words):
            assert piece.strip(" ,") in source, words

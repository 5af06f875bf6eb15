"""What ARCHITECTURE.md and docs/internals.md name is there: rooms, files, classes, functions."""

from __future__ import annotations

import re

import pytest

from tests.support.up import ROOT

ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
INTERNALS = (ROOT / "docs" / "internals.md").read_text(encoding="utf-8")
TREES = ("jobs", "worker", "web", "cli")
SOURCE = "\n".join(path.read_text(encoding="utf-8") for tree in TREES for path in sorted((ROOT / tree).rglob("*.py")))
MOST_LINES = 380
# Of others.
FOREIGN = {"ChatOpenAI", "LangChain", "EventSource", "TimeoutError", "INSERT", "UPDATE"}


def rooms() -> set[str]:
    """The folders in the tree of rooms."""
    block = ARCHITECTURE.partition("\n## The rooms\n")[2].partition("\n```\n")[2].partition("\n```\n")[0]
    found: set[str] = set()
    path: list[str] = []
    for line in block.splitlines():
        names = re.match(r" *((?:\w+/ *)+)", line)
        depth = (len(line) - len(line.lstrip())) // 2
        if names and depth < 3:
            path = path[:depth]
            found |= {"/".join([*path, name]) for name in re.findall(r"\w+", names[1])}
            path.append(re.findall(r"\w+", names[1])[0])
    return found


def test_the_rooms_are_those_that_there_are() -> None:
    assert {room for room in rooms() if not (ROOT / room).is_dir()} == set()
    inside = {
        f"{tree}/{path.name}"
        for tree in TREES
        for path in (ROOT / tree).iterdir()
        if path.is_dir() and not path.name.startswith("_")
    }
    assert inside - rooms() == set()


@pytest.mark.parametrize("text", [ARCHITECTURE, INTERNALS], ids=["ARCHITECTURE", "internals"])
def test_classes_and_functions_are_there(text: str) -> None:
    named = set(re.findall(r"`([A-Z]\w*[a-z]\w*)(?:\.(\w+))?`", text))
    missing = {name for name, _ in named if name not in FOREIGN and not re.search(rf"^class {name}\b", SOURCE, re.M)}
    assert missing == set()
    members = {member for _, member in named if member}
    assert {member for member in members if not re.search(rf"\b{member}\b", SOURCE)} == set()
    functions = set(re.findall(r"`(\w+)\([\w, ]*\)`", text))
    assert {name for name in functions if not re.search(rf"^ *def {name}\(", SOURCE, re.M)} == set()


def test_it_is_short_enough_to_be_read() -> None:
    assert len(ARCHITECTURE.splitlines()) < MOST_LINES


def test_no_word_of_the_glossary_is_explained_twice() -> None:
    words = re.findall(r"^\| (\w+) \|", ARCHITECTURE.partition("\n## Glossary\n")[2], re.MULTILINE)
    assert len(words) == len(set(words)) > 10

"""The table of mutants: each of its lines is still a line of the product, and a mutant is really killed."""

from __future__ import annotations

import re
from pathlib import Path

from tests.mutation.mutants import ROOT, copied_tree, mutants

MARK = re.compile(r"(?:#|--) invariant \d+\b")


def test_every_guard_is_where_the_table_says() -> None:
    assert len(mutants()) >= 40
    assert not [mutant.name for mutant in mutants() if not mutant.is_there]
    assert not [mutant.name for mutant in mutants() if not all((ROOT / test).exists() for test in mutant.tests)]


def test_a_guard_that_is_taken_away_is_missed() -> None:
    chosen = next(mutant for mutant in mutants() if mutant.file == "web/relay/topic.py")
    with copied_tree() as tree:
        assert not chosen.survives(tree)


def test_the_marks_of_the_core_are_in_the_table() -> None:
    files = [path for room in ("jobs/storage", "jobs/transport", "worker") for path in (ROOT / room).rglob("*.*")]
    marked = {
        (str(path.relative_to(ROOT)), line.strip())
        for path in files
        if path.suffix in (".py", ".lua")
        for line in path.read_text(encoding="utf-8").splitlines()
        if MARK.search(line)
    }
    table = [(mutant.file, mutant.line) for mutant in mutants()]
    missing = {
        (file, line)
        for file, line in marked
        if not any(file == at and (text in line or _opens(file, text, line)) for at, text in table)
    }
    assert not missing - {
        ("jobs/transport/queue.py", "self.app.send_task(GENERATE, args=[job_id], producer=producer)  # invariant 10")
    }


def _opens(file: str, text: str, line: str) -> bool:
    """Whether the marked line is the one before the table's, as where an expression opens."""
    lines = [each.strip() for each in Path(ROOT / file).read_text(encoding="utf-8").splitlines()]
    return text in lines and lines.index(text) > 0 and lines[lines.index(text) - 1] == line

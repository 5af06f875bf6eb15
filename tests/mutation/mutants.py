"""The mutants: which line of which file becomes what, and which tests have to fail because of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.bak")
_TIMEOUT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Mutant:
    """One guard taken away."""

    name: str
    file: str
    line: str
    mutant: str
    tests: tuple[str, ...]

    @property
    def is_there(self) -> bool:
        """Whether the line stands in the file, once."""
        return (ROOT / self.file).read_text(encoding="utf-8").count(self.line) == 1

    def survives(self, tree: Path) -> bool:
        """Whether all its tests pass without the guard, in a copy of the repository."""
        path = tree / self.file
        original = path.read_text(encoding="utf-8")
        path.write_text(original.replace(self.line, self.mutant), encoding="utf-8")
        try:
            return _passes(tree, self.tests)
        finally:
            path.write_text(original, encoding="utf-8")


def mutants() -> list[Mutant]:
    """All of mutants.toml."""
    table = tomllib.loads(Path(__file__).with_name("mutants.toml").read_text(encoding="utf-8"))
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in table["mutant"]]


@contextmanager
def copied_tree() -> Iterator[Path]:
    """The repository in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="penstock-mutants-") as directory:
        tree = Path(directory) / "tree"
        shutil.copytree(ROOT, tree, ignore=_LEFT_OUT)
        yield tree


def _passes(tree: Path, tests: tuple[str, ...]) -> bool:
    command = [sys.executable, "-P", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    result = subprocess.run(
        command,
        cwd=tree,
        env={**_environment(), "PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=_TIMEOUT_SECONDS,
    )
    if result.returncode not in (0, 1):
        raise RuntimeError(f"pytest did not run {tests}: {result.stdout.decode(errors='replace')[-2000:]}")
    return result.returncode == 0


def _environment() -> dict[str, str]:
    from tests.support.up import clean_environment  # noqa: PLC0415  (it imports the product, which `mutants` does not)

    return clean_environment()

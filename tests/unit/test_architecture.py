"""The rules that no linter knows: sizes, names, and what no file may mention."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("start.py", "jobs", "worker", "web", "cli", "demo_model", "compliance", "bench")

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
MAX_ROOM_FILES = 14

INVARIANTS = set(range(1, 13))
VAGUE_WORDS = frozenset(
    ["base", "common", "handler", "handlers", "helper", "helpers", "manager", "managers", "misc", "util", "utils"]
)
# Names of former versions that explained nothing. Ordinary words (`site`, `line`, `answer`) cannot be looked for.
FORMER_NAMES = re.compile(
    r"\b(Workshop|Screens?|Picture|Standing|Passage|Shelf|Outbox|on_departure|Patience|insist|_take_down|_Echo|_part_ways"
    r"|Attempts|Verdict|Liveness|Observer|Pulse|Curve|look_again|Door|mourn|last_words|witness|obstruction|house|desk"
    r"|ENOUGH|wall\.clean|Site\(|Frame\(|Thought\(|Recording\(|Stop\((?!Exception|Iteration)|request\.accept|mark\.alone)\b"
)
LINK = re.compile(r"\]\((?!\w+:)([^)#]+)")
FILE = re.compile(r"`((?:jobs|worker|web|cli|tests|bench|ops|docs|demo_model|examples)/[\w./-]*)`")
LOCKED_EXTRAS = ["otel", "local", "docs"]
PLAIN_TEXTS = frozenset({"demo_model/texts"})
NOT_OURS = frozenset({"build", "dist", "__pycache__"})

# Written as patterns, so that this file does not contain what it forbids.
REGISTRY = re.compile(r"pypi\.(org|python)|pythonhosted\.|npmjs\.|yarnpkg\.|(deb|security)\.debian\.|archive\.ubuntu\.")
PLACE_ON_A_MACHINE = re.compile(r"(?<![\w.~-])/(home|root|Users|work)/[\w.]")
ENVIRONMENT = re.compile(r"\bos\.(environb?|getenvb?)\b|\bfrom os import\b.*\b(environb?|getenvb?)\b")
THIRD_PARTY = re.compile(
    r"""<(script|link|img|iframe)\b[^>]*\b(src|href)\s*=\s*["']?(https?:)?//  # an element that loads
      | \b(import|from|importScripts)\b\s*\(?\s*["'](https?:)?//              # a module that loads
      | @import\s+(url\()?\s*["']?(https?:)?// | \burl\(\s*["']?(https?:)?//  # a style that loads
    """,
    re.VERBOSE | re.IGNORECASE,
)


def files(*places: str) -> Iterator[Path]:
    """Every file at and below the places, relative to ROOT."""
    for place in places:
        for found in sorted([ROOT / place, *(ROOT / place).rglob("*")]):
            path = found.relative_to(ROOT)
            if found.is_file() and NOT_OURS.isdisjoint(path.parts):
                yield path


def everything() -> Iterator[Path]:
    """Every file of the repository; hidden directories (.git, .venv, caches) are not ours, but for CI's."""
    tops = (top for top in ROOT.iterdir() if top.is_file() or top.name == ".ci" or not top.name.startswith("."))
    return files(*sorted(top.name for top in tops if top.name != ".git"))  # a file in a second worktree


def text(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def product(*suffixes: str) -> list[Path]:
    return [path for path in files(*PRODUCT) if path.suffix in suffixes]


def docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str()) as constant), *_]:
                    yield constant


def lines_of(node: ast.Constant | ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def long_functions(path: Path) -> Iterator[str]:
    tree = ast.parse(text(path))
    described = set().union(*map(lines_of, docstrings(tree)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = len(lines_of(node) - described)
            if length > MAX_FUNCTION_LINES:
                yield f"{path}:{node.lineno} {node.name} has {length} lines"


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def pins(lock: str) -> dict[str, str]:
    """Package to version, of a lock."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text(Path(lock)), re.MULTILINE))


def test_the_rules_see_the_product() -> None:
    assert {path.parts[0] for path in product(".py")} == set(PRODUCT)
    assert Path("tests/unit/test_architecture.py") in set(everything())


def test_no_file_is_long() -> None:
    long = [
        f"{path} has {count} lines"
        for path in product(".py", ".js", ".css", ".html")
        if (count := len(text(path).splitlines())) > MAX_FILE_LINES
    ]
    assert not long, long


def test_no_function_is_long() -> None:
    # A migration is a list of columns.
    long = [line for path in product(".py") if "migrations" not in path.parts for line in long_functions(path)]
    assert not long, long


def test_no_room_is_crowded() -> None:
    rooms = Counter(
        path.parent for path in product(".py") if path.name != "__init__.py" and "versions" not in path.parts
    )
    crowded = {str(room): count for room, count in rooms.items() if count > MAX_ROOM_FILES}
    assert not crowded, crowded


def test_no_former_name_is_left() -> None:
    left = [
        f"{path}:{number} {match[0]}"
        for path in everything()
        if path.suffix in (".py", ".js", ".html", ".css", ".toml", ".lua", ".md", ".yml")
        if path != Path(__file__).relative_to(ROOT) and str(path.parent) not in PLAIN_TEXTS
        for number, line in enumerate(text(path).splitlines(), 1)
        for match in FORMER_NAMES.finditer(line)
    ]
    assert not left, left


def test_papers_name_files_that_there_are() -> None:
    papers = [path for path in everything() if path.suffix == ".md" and str(path.parent) not in PLAIN_TEXTS]
    named = [(path, ROOT / path.parent / link) for path in papers for link in LINK.findall(text(path))]
    named += [(path, ROOT / place) for path in papers for place in FILE.findall(text(path)) if "NAME" not in place]
    lost = [f"{path}: {place}" for path, place in named if not place.exists()]
    assert len(named) > 50
    assert not lost, lost


def test_operations_hold_no_python() -> None:
    assert not [path for path in files("ops") if path.suffix == ".py"]


def test_only_settings_read_the_environment() -> None:
    readers = [
        f"{path}:{number}"
        for path in product(".py")
        if path != Path("jobs/settings.py") and path.parts[0] != "bench"
        for number, line in enumerate(text(path).splitlines(), 1)
        if ENVIRONMENT.search(line)
    ]
    assert not readers, readers


@pytest.mark.parametrize("forbidden", [REGISTRY, PLACE_ON_A_MACHINE], ids=["registry", "place"])
def test_no_file_names(forbidden: re.Pattern[str]) -> None:
    found = [f"{path}: {match[0]}" for path in everything() for match in forbidden.finditer(text(path))]
    assert not found, found


def test_pages_load_nothing_from_elsewhere() -> None:
    found = [
        f"{path}: {match[0]}"
        for path in product(".py", ".html", ".js", ".css", ".svg")
        for match in THIRD_PARTY.finditer(text(path))
    ]
    assert not found, found


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_holds_pins_and_hashes_and_nothing_else(lock: str) -> None:
    pin, checksum, comment = r"[\w.-]+==\S+( ; [^\\]+)? \\", r" +--hash=sha256:[0-9a-f]{64}( \\)?", r" *#.*"
    strange = [line for line in text(Path(lock)).splitlines() if not re.fullmatch(f"{pin}|{checksum}|{comment}", line)]
    assert not strange, strange
    assert "://" not in text(Path(lock))
    assert pins(lock)


def test_the_lock_holds_what_the_product_imports() -> None:
    ours = {*PRODUCT, *sys.stdlib_module_names}
    foreign = {
        module.partition(".")[0]: path
        for path in product(".py")
        if path.parts[0] != "bench"
        for module in imports(ast.parse(text(path)))
    }
    extras = tomllib.loads(text(Path("pyproject.toml")))["project"]["optional-dependencies"]
    optional = {canonicalize_name(Requirement(line).name) for extra in LOCKED_EXTRAS for line in extras[extra]}
    locked, providers = {*pins("requirements.lock"), *optional}, packages_distributions()
    missing = [
        f"{path} imports {name}"
        for name, path in foreign.items()
        if name not in ours and not any(canonicalize_name(one) in locked for one in providers.get(name, []))
    ]
    assert not missing, missing


def test_the_locks_agree_with_each_other() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


def test_the_lock_answers_the_project_file() -> None:
    project = tomllib.loads(text(Path("pyproject.toml")))
    locked = pins("requirements-dev.lock")
    wanted = [
        *map(Requirement, project["project"]["dependencies"]),
        *(Requirement(line) for extra in LOCKED_EXTRAS for line in project["project"]["optional-dependencies"][extra]),
        *(
            Requirement(line)
            for name, group in project["dependency-groups"].items()
            if name != "release"  # which has a lock of its own
            for line in group
            if isinstance(line, str)
        ),
    ]
    stale = [str(one) for one in wanted if locked.get(canonicalize_name(one.name), "") not in one.specifier]
    assert not stale, f"make the locks again with the command in their first lines: {stale}"


def test_every_invariant_is_marked_where_it_is_enforced() -> None:
    marked = {int(number) for path in product(".py") for number in re.findall(r"# invariant (\d+)\b", text(path))}
    assert marked == INVARIANTS, f"missing {INVARIANTS - marked}, unknown {marked - INVARIANTS}"

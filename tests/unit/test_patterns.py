"""Regular expressions of the product are linear: 200,000 hostile characters cost none of them a noticeable time."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("jobs", "worker", "web", "cli", "demo_model", "compliance")
SIZE = 200_000
# Of processor time. A quadratic expression needs minutes.
LIMIT_SECONDS = 0.5
OPERATIONS = frozenset(["search", "match", "fullmatch", "finditer", "findall", "sub", "split"])
# Single characters, and pairs whose alternation makes an expression try again at every place.
UNITS = [
    *(" ", "\t", "\n", "a", "#", "*", "_", "`", "~", "|", "[", "]", "(", "\\", "$", "-", "1", ".", ":", "<", ">", "中"),
    *('"', "'", "{", "}", "I", "=", "/", "&", "ab", " a", "# ", "[]", "[(", "*a", "|-", "\\(", "\\[", "$a"),
    *(
        "\n ",
        "\na",
        "1.",
        "1. ",
        "<a",
        "`\n",
        "- ",
        "*_",
        "()",
        "\\b",
        "//",
        "http://",
        "\n#",
        "\n|",
        "\n* ",
        "{a",
        "{{",
    ),
    *(
        "![",
        "](",
        "<think>",
        "第",
        "第1",
        "``` ",
        "</",
        "sk-",
        "Bearer ",
        "title",
        "section ",
        "\\begin{",
        "a:",
        "a.",
        "。",
    ),
]
TEXTS = [text for unit in UNITS for run in [(unit * SIZE)[:SIZE]] for text in (f"{run}\0", f"x{run}\n!")]


def modules() -> Iterator[ModuleType]:
    """All modules of the product but those that do something when they are imported."""
    for package in map(importlib.import_module, PACKAGES):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and ".migrations" not in found.name:
                yield importlib.import_module(found.name)


def uses() -> dict[tuple[str, str], set[str]]:
    """Which operations the sources call, by file and name of the expression; what is public, in any file (`""`)."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr in OPERATIONS:
                    name = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
                    found[str(path) if name.startswith("_") else "", name].add(node.attr)
    return found


def expressions() -> dict[tuple[str, int], tuple[str, set[str]]]:
    """Every expression, compiled or given to `re` where it is used: a place where it stands, and its operations."""
    called = uses()
    found: dict[tuple[str, int], tuple[str, set[str]]] = {}
    for module in modules():
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                _, operations = found.get((value.pattern, value.flags), ("", set()))
                found[value.pattern, value.flags] = (
                    f"{module.__name__}.{name}",
                    operations | called[str(module.__file__) if name.startswith("_") else "", name],
                )
        for pattern, flags, operation, line in calls(Path(str(module.__file__))):
            found[pattern, flags] = (f"{module.__name__}:{line}", {operation})
    return found


def calls(path: Path) -> Iterator[tuple[str, int, str, int]]:
    """Expressions given to a function of `re` as they are: with its flags, the function, the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(ast.Attribute(ast.Name("re"), operation), [ast.Constant(str(pattern)), *rest]):
                named = [word.value for word in node.keywords if word.arg == "flags"]
                given = [argument for argument in [*rest, *named] if "re." in ast.unparse(argument)]
                flags = re.NOFLAG
                for argument in given:
                    for one in ast.unparse(argument).split(" | "):
                        flags |= re.RegexFlag[one.removeprefix("re.")]
                if operation in OPERATIONS:
                    yield pattern, re.compile(pattern, flags).flags, operation, node.lineno


def run(expression: re.Pattern[str], operation: str, text: str) -> None:
    """Apply an expression to the whole of a text."""
    if operation == "sub":
        expression.sub("", text)
    elif operation == "finditer":
        for _ in expression.finditer(text):
            pass
    else:
        getattr(expression, operation)(text)


EXPRESSIONS = expressions()


@pytest.mark.parametrize("key", EXPRESSIONS, ids=[place for place, _ in EXPRESSIONS.values()])
def test_an_expression_is_linear(key: tuple[str, int]) -> None:
    expression = re.compile(*key)
    slow = []
    for operation in sorted(EXPRESSIONS[key][1] or {"search"}):
        for text in TEXTS:
            began = time.process_time()
            run(expression, operation, text)
            spent = time.process_time() - began
            if spent > LIMIT_SECONDS:
                slow.append((operation, text[:8], f"{spent:.1f} s"))
                break
    assert slow == []


def test_expressions_are_found() -> None:
    assert len(EXPRESSIONS) > 90
    assert {"match", "fullmatch", "sub"} <= set().union(*(operations for _, operations in EXPRESSIONS.values()))

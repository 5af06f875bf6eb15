"""start.py, run as a person runs it, in a small checkout of its own."""

from __future__ import annotations

import ast

import pytest

from tests.support.checkout import DEVELOPMENT, PROJECT, RUNTIME, START, VENV, Checkout, patched


@pytest.mark.parametrize(
    ("patch", "remedy"),
    [
        ("sys.version_info = (3, 10, 13)", "needs Python 3.11 or newer"),
        ("sys.platform = 'win32'", "use WSL"),
        ("sys.modules['ensurepip'] = None", "apt install python3-venv"),
        ("sys.modules['venv'] = None", "apt install python3-venv"),
    ],
)
def test_a_machine_that_cannot_run_it_is_told_so_in_one_line(checkout: Checkout, patch: str, remedy: str) -> None:
    result = patched(patch, checkout.root / "start.py")
    assert result.returncode == 1
    assert remedy in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (checkout.root / ".venv").exists()


def test_an_old_python_can_read_it() -> None:
    tree = ast.parse(START.read_text(), feature_version=(3, 7))
    features = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert not features, "Python 3.6 stops at a future it does not know"


def test_the_first_start_sets_up_and_the_second_does_not(checkout: Checkout) -> None:
    first = checkout.start("list", "--json")
    assert (first.returncode, first.stdout) == (0, "penstock list --json\n")
    assert "Setting up .venv" in first.stderr
    assert "\x1b" not in first.stderr
    assert checkout.calls() == [VENV, RUNTIME, PROJECT]

    second = checkout.start("submit", "a file")
    assert (second.stdout, second.stderr) == ("penstock submit a file\n", "")
    assert checkout.calls() == []


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ("", "up"),
        ("--port 9000", "up --port 9000"),
        ("--demo", "up --demo"),
        ("--help", "--help"),
        ("--version", "--version"),
    ],
)
def test_no_command_means_up(checkout: Checkout, arguments: str, command: str) -> None:
    assert checkout.start(*arguments.split()).stdout == f"penstock {command}\n"


def test_what_is_compiled_is_kept_even_where_that_is_forbidden(checkout: Checkout) -> None:
    assert checkout.start("list", PYTHONDONTWRITEBYTECODE="1").stdout == "penstock list\n"


def test_the_exit_code_is_the_commands(checkout: Checkout) -> None:
    checkout.touch("penstock.fails")
    assert checkout.start("watch").returncode == 1


def test_another_lock_or_place_is_a_new_environment(checkout: Checkout) -> None:
    checkout.start()
    checkout.calls()
    (checkout.root / "requirements.lock").write_text("# other\n")
    checkout.start()
    assert checkout.calls() == [VENV, RUNTIME, PROJECT]

    moved = Checkout(checkout.root.rename(checkout.root.with_name("moved")))
    moved.start()
    assert moved.calls() == [VENV, RUNTIME, PROJECT]


def test_another_project_file_installs_the_project_again_and_nothing_else(checkout: Checkout) -> None:
    checkout.start()
    checkout.calls()
    (checkout.root / "pyproject.toml").write_text("# other\n")
    checkout.start()
    assert checkout.calls() == [PROJECT]


def test_tests_add_their_packages_and_run_every_check_whatever_fails(checkout: Checkout) -> None:
    checkout.start()
    checkout.calls()
    fails = checkout.touch("mypy.fails")
    result = checkout.start("test", "-k", "a b")
    assert checkout.calls() == [DEVELOPMENT, PROJECT]
    assert result.returncode == 1
    words = [line.partition(" (")[0] for line in result.stdout.splitlines()]
    assert words == [
        "ok      ruff check",
        "ok      ruff format --check",
        "mypy",
        "FAILED  mypy",
        "ok      lint-imports",
        "failed before the tests: mypy",
        "python -m pytest -k a b",
    ]

    fails.unlink()
    assert checkout.start("test").returncode == 0
    assert checkout.start("list").stdout == "penstock list\n"
    assert checkout.calls() == []


def test_benchmarks_are_listed_and_run(checkout: Checkout) -> None:
    bench = checkout.root / "bench"
    bench.mkdir(parents=True)
    (bench / "latency.py").write_text('"""From the model to the eye.\n\nMore."""\n')
    (bench / "_shared.py").write_text("")
    assert checkout.start("bench").stdout.split(maxsplit=1) == ["latency", "From the model to the eye.\n"]
    assert checkout.calls() == []

    unknown = checkout.start("bench", "nothing")
    assert (unknown.returncode, "latency" in unknown.stderr) == (2, True)

    assert checkout.start("bench", "latency", "--jobs", "3").stdout == "python -m bench.latency --jobs 3\n"
    assert checkout.calls() == [VENV, DEVELOPMENT, PROJECT]

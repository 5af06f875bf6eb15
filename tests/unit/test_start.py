"""start.py, run as a person runs it, in a small checkout of its own.

A script stands in for uv: it makes a `.venv` of scripts in place of packages and writes down each call.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

START = Path(__file__).resolve().parents[2] / "start.py"

UV = """#!/bin/sh
echo "$@" >> uv.calls
if [ -e uv.wait ]; then read -r _ < uv.wait; fi
if [ -e uv.broken ]; then echo "what went before"; cat uv.broken >&2; exit 3; fi
[ "$1" = venv ] || exit 0
mkdir -p "$4/bin"
echo "home = $4" > "$4/pyvenv.cfg"
for name in python penstock ruff mypy lint-imports; do
  echo '#!/bin/sh' > "$4/bin/$name"
  echo "# in $4/bin" >> "$4/bin/$name"
  printf 'echo "%s $*${PYTHONDONTWRITEBYTECODE:+ slowly}"\\ntest ! -e "%s.fails"\\n' "$name" "$name" >> "$4/bin/$name"
  chmod +x "$4/bin/$name"
done
"""

VENV, PROJECT = "venv --python", "pip install --python .venv/bin/python --no-deps"
RUNTIME, DEVELOPMENT = (
    f"pip install --python .venv/bin/python --require-hashes --requirement {lock}"
    for lock in ("requirements.lock", "requirements-dev.lock")
)


@dataclass(frozen=True)
class Checkout:
    """A directory with start.py and what it reads."""

    root: Path

    def launch(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """start.py as a process of its own, with the stand-in for uv on its PATH."""
        return subprocess.Popen(
            [sys.executable, "start.py", *arguments],
            cwd=self.root,
            env={"PATH": f"{self.root / 'tools'}:/usr/bin:/bin", **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """start.py from its beginning to its end."""
        with self.launch(*arguments, **variables) as process:
            out, err = process.communicate(timeout=60)
            return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def calls(self) -> list[str]:
        """What uv was asked for since the last look, shortened to what matters."""
        log = self.root / "uv.calls"
        lines = (
            log.read_text().replace(f"{self.root}/", "").replace(".venv.new", ".venv").splitlines()
            if log.exists()
            else []
        )
        log.unlink(missing_ok=True)
        return [next((known for known in (VENV, PROJECT) if line.startswith(known)), line) for line in lines]

    def touch(self, name: str) -> Path:
        return self.write(name, "")

    def write(self, name: str, content: str) -> Path:
        path = self.root / name
        path.write_text(content)
        return path


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root = tmp_path / "a checkout"  # start.py lives with a space in its path
    (root / "tools").mkdir(parents=True)
    shutil.copy(START, root)
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        (root / name).write_text(f"# {name}\n")
    (root / "tools" / "uv").write_text(UV)
    (root / "tools" / "uv").chmod(0o755)
    return Checkout(root)


def patched(patch: str, start: Path) -> subprocess.CompletedProcess[str]:
    """start.py in a Python that `patch` has made different, without uv."""
    script = f"import runpy, sys; {patch}; runpy.run_path({str(start)!r}, run_name='__main__')"
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=False, timeout=60)


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


OFFLINE = "no route to the index\n"


def test_a_failure_ends_with_the_reason_and_the_next_start_begins_afresh(checkout: Checkout) -> None:
    broken = checkout.write("uv.broken", OFFLINE)
    failed = checkout.start()
    assert failed.returncode == 1
    assert failed.stderr.rstrip().endswith("no route to the index")
    assert "exit code 3" in failed.stderr
    assert "Can the package index be reached?" in failed.stderr
    assert failed.stdout == ""

    broken.unlink()
    checkout.calls()
    assert checkout.start().stdout == "penstock up\n"
    assert checkout.calls() == [VENV, RUNTIME, PROJECT]


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_a_set_up_that_fails_leaves_the_environment_that_works(checkout: Checkout, changed: str) -> None:
    checkout.start()
    checkout.write(changed, "# other\n")
    broken = checkout.write("uv.broken", OFFLINE)
    for _ in range(2):
        failed = checkout.start("list")
        assert (failed.returncode, failed.stdout) == (0, "penstock list\n")
        assert "no route to the index\nGoing on with the .venv that is there" in failed.stderr

    broken.unlink()
    assert checkout.start("list").stdout == "penstock list\n"
    assert "Going on" not in checkout.start("list").stderr


def test_tests_that_cannot_be_set_up_leave_what_penstock_needs(checkout: Checkout) -> None:
    checkout.start()
    checkout.write("uv.broken", OFFLINE)
    assert checkout.start("test").returncode == 1
    checkout.calls()
    assert checkout.start("list").stdout == "penstock list\n"


def test_what_is_built_beside_holds_the_path_that_it_gets(checkout: Checkout) -> None:
    checkout.start()
    places = [checkout.root / ".venv" / name for name in ("pyvenv.cfg", "bin/penstock", "bin/python")]
    assert [f"{checkout.root}/.venv" in place.read_text() for place in places] == [True] * 3
    assert [".venv.new" in place.read_text() for place in places] == [False] * 3
    assert sorted(path.name for path in checkout.root.glob(".venv*")) == [".venv"]


def test_a_start_killed_between_the_two_renames_is_mended(checkout: Checkout) -> None:
    checkout.start()
    checkout.calls()
    (checkout.root / ".venv").rename(checkout.root / ".venv.old")
    assert checkout.start("list").stdout == "penstock list\n"
    assert checkout.calls() == []


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("error: failed to create directory: Permission denied (os error 13)", "no permission to write there"),
        ("PermissionError: [Errno 13] '/x'", "no permission to write there"),
        ("OSError: [Errno 30] Read-only file system: '/x'", "no permission to write there"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
    ],
)
def test_a_fault_that_is_not_the_networks_is_called_what_it_is(checkout: Checkout, output: str, cause: str) -> None:
    checkout.write("uv.broken", output)
    failed = checkout.start()
    assert failed.returncode == 1
    assert f"{checkout.root}: {cause}" in failed.stderr
    assert "index" not in failed.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_named(checkout: Checkout) -> None:
    checkout.root.chmod(0o500)
    failed = checkout.start()
    checkout.root.chmod(0o700)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "no permission to write there" in failed.stderr


def test_a_slow_step_says_how_far_it_is(checkout: Checkout, gate: Path) -> None:
    with checkout.launch() as slow:
        assert slow.stderr is not None
        slow.stderr.readline()
        with gate.open("w") as pipe:
            assert re.fullmatch(r" +\d+ s  \.\.\.\n", slow.stderr.readline())
            gate.unlink()
            pipe.write("go\n")
        assert slow.communicate(timeout=60)[0] == "penstock up\n"


@pytest.fixture
def gate(checkout: Checkout) -> Path:
    """A pipe that uv reads a line from before it goes on."""
    path = checkout.root / "uv.wait"
    os.mkfifo(path)
    return path


def let_through(gate: Path) -> None:
    """Wait until uv stands at the gate, then open it, for good."""
    with gate.open("w") as pipe:
        gate.unlink()
        pipe.write("go\n")


def test_two_starts_at_once_set_up_once(checkout: Checkout, gate: Path) -> None:
    with checkout.launch("one") as one, checkout.launch("two") as two:
        assert one.stderr is not None
        assert two.stderr is not None
        said = {one.stderr.readline(), two.stderr.readline()}
        assert said == {
            "Setting up .venv (once, about 30 s) ...\n",
            "Waiting for another start to finish setting up .venv ...\n",
        }
        let_through(gate)
        assert one.communicate(timeout=60)[0] == "penstock one\n"
        assert two.communicate(timeout=60)[0] == "penstock two\n"
    assert checkout.calls() == [VENV, RUNTIME, PROJECT]


def test_a_killed_set_up_is_waited_for_and_done_again(checkout: Checkout, gate: Path) -> None:
    with checkout.launch() as killed:
        assert killed.stderr is not None
        killed.stderr.readline()
        pipe = gate.open("w")  # opens when uv stands at the other end
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        with pipe, checkout.launch("again") as again:
            assert again.stderr is not None
            assert again.stderr.readline().startswith("Waiting for another start")
            gate.unlink()
            pipe.write("go\n")
            pipe.flush()
            assert again.communicate(timeout=60)[0] == "penstock again\n"
    assert checkout.calls() == [VENV, VENV, RUNTIME, PROJECT]


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

    assert checkout.start("bench", "latency", "--jobs", "3").stdout == f"python {bench / 'latency.py'} --jobs 3\n"
    assert checkout.calls() == [VENV, DEVELOPMENT, PROJECT]

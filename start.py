"""Set-up and start in one: makes `.venv` from the hashed lock, once, then runs `penstock ARGUMENTS`.

Standard library only, and nothing outside this directory is written. The syntax stays at Python 3.6's (so no
`from __future__ import annotations`): an old Python must reach the clear line below, not a SyntaxError.
"""

import sys

if sys.version_info < (3, 11):
    OLD = f"{sys.executable} is {sys.version.split()[0]}"
    sys.exit(f"Penstock needs Python 3.11 or newer; {OLD}. Run start.py with a newer one.")
if sys.platform == "win32":
    sys.exit("Penstock does not run on native Windows; use WSL (`wsl --install`) and start it there.")

import ast
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
STAMP = VENV / "penstock.stamp"

PROJECT = "pyproject.toml"
RUNTIME = "requirements.lock"
DEVELOPMENT = "requirements-dev.lock"  # holds all of the runtime's packages too

# Tests mostly wait, so more of them run at a time than there are cores; a file's tests stay together.
SIDE_BY_SIDE = ("-n", str(min(os.cpu_count() or 1, 5) + 1), "--dist", "loadfile", "--no-loadscope-reorder")
CHECKS = (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",), ("lint-imports",))
TAIL_LINES = 8


class SetupFailed(Exception):
    """Set-up cannot go on. The message is one clear line; the failed tool's last lines may follow."""


def main(arguments: list[str]) -> int:
    """Set up what the command needs and run it; returns an exit code, or becomes `penstock`."""
    command, *rest = arguments or ["up"]
    # Where it is forbidden, as images do to stay small, each process compiles 2,000 modules at its start: 5 s more.
    os.unsetenv("PYTHONDONTWRITEBYTECODE")
    try:
        if command == "test":
            set_up(DEVELOPMENT)
            return run_checks(rest)
        if command == "bench":
            return run_bench(rest)
        set_up(RUNTIME)
        return become(BIN / "penstock", command, *rest)
    except SetupFailed as failure:
        say(str(failure))
    except OSError as failure:
        say(f"Penstock cannot be set up in {ROOT}: {failure}")
    except KeyboardInterrupt:
        say("Interrupted.")
        return 130
    return 1


def set_up(lock: str) -> None:
    """Make `.venv` hold what `lock` pins; instant when it does already, and safe when two starts meet."""
    if not outdated(lock):
        return
    with exclusive():
        parts = outdated(lock)  # asked again: another start may have done the work while this one waited
        if parts:
            began = time.monotonic()
            build(lock, parts)
            say(f"Ready after {time.monotonic() - began:.0f} s.")


def outdated(lock: str) -> set[str]:
    """The parts of `.venv` that are not what `lock` asks for: all of them when it is missing or half made."""
    made = stamped_parts() if (BIN / "python").exists() else {}
    return {part for part, value in wanted_parts(lock).items() if made.get(part) != value}


def wanted_parts(lock: str) -> dict[str, str]:
    """What `.venv` has to be made of: this Python, this place (scripts hold its path), locks, project."""
    files = (RUNTIME, DEVELOPMENT, PROJECT) if lock == DEVELOPMENT else (RUNTIME, PROJECT)
    digests = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in files}
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor} {ROOT}", **digests}


def stamped_parts() -> dict[str, str]:
    """What `.venv` was made of, as the last set-up that came to its end wrote it down."""
    if not STAMP.exists():
        return {}
    return dict(line.split("=", 1) for line in STAMP.read_text().splitlines() if "=" in line)


def build(lock: str, parts: set[str]) -> None:
    """Make or mend `.venv`. The stamp goes first and comes back last: what is interrupted begins afresh."""
    uv = shutil.which("uv")
    create, install = uv_commands(uv) if uv else pip_commands()
    made = stamped_parts()
    STAMP.unlink(missing_ok=True)
    usable = uv or (BIN / "pip").exists()  # a .venv that uv made has no pip
    if parts & {"python", RUNTIME} or not usable:
        say("Setting up .venv (once, about 30 s) ...")
        made = {}
        if VENV.exists():
            shutil.rmtree(VENV)
        run(*create)
    else:
        say("Bringing .venv up to date ...")
    if not made or DEVELOPMENT in parts:
        run(*install, "--require-hashes", "--requirement", lock)
    # Not isolated: the lock holds the build backend too, and an isolated build would fetch it unhashed.
    run(*install, "--no-deps", "--no-build-isolation", "--editable", ".")
    STAMP.write_text("".join(f"{part}={value}\n" for part, value in {**made, **wanted_parts(lock)}.items()))


def uv_commands(uv: str) -> tuple[list[str], list[str]]:
    """What makes an empty `.venv` with this Python, and what installs into it: uv is ten times as fast as pip."""
    return [uv, "venv", "--python", sys.executable, str(VENV)], [uv, "pip", "install", "--python", str(BIN / "python")]


def pip_commands() -> tuple[list[str], list[str]]:
    """The same of Python's own; refuses a Python that lacks them, before anything is made."""
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        raise SetupFailed(
            f"{sys.executable} has no venv or ensurepip module, which .venv is made with. "
            "On Debian and Ubuntu: apt install python3-venv. (Or put uv on the PATH.)"
        )
    # Python compiles what it imports; compiling all that is installed would take a third of the time.
    options = ("--quiet", "--no-compile", "--no-input", "--disable-pip-version-check")
    create = [sys.executable, "-I", "-m", "venv", str(VENV)]
    return create, [str(BIN / "python"), "-I", "-m", "pip", "install", *options]


def run(*command: str) -> None:
    """Run one step of the set-up in silence; when it fails, its last lines are the reason that is given."""
    step = run_quietly(command, stdin=subprocess.DEVNULL, close_fds=False)  # the lock is inherited
    if step.returncode:
        last = step.stdout.strip().splitlines()[-TAIL_LINES:]
        reason = "\n  ".join([f"`{' '.join(command)}`: exit code {step.returncode}, after", *last])
        raise SetupFailed(f"Penstock could not set up .venv. Can the package index be reached?\n  {reason}")


def run_quietly(command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; what it says, on stdout or stderr, is kept for the one who asked."""
    return subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", check=False, **options
    )


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """One set-up at a time, whoever else starts. This very file is locked: no lock file is left behind."""
    with Path(__file__).open("rb") as this_file:
        # A step of the set-up that outlives a killed start.py keeps the lock until it has ended too.
        os.set_inheritable(this_file.fileno(), True)  # noqa: FBT003 - takes no keyword
        try:
            fcntl.flock(this_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another start to finish setting up .venv ...")
            fcntl.flock(this_file, fcntl.LOCK_EX)
        yield


def run_checks(pytest_arguments: list[str]) -> int:
    """Lint, types, import rules, tests: all, whatever fails. pytest is last: its summary ends the output.

    Without arguments to pytest its tests run side by side.
    """
    failed = [check for check in CHECKS if not passes(check)]
    if failed:
        print(f"failed before the tests: {', '.join(' '.join(check) for check in failed)}", flush=True)
    tests = subprocess.Popen([BIN / "python", "-m", "pytest", *(pytest_arguments or SIDE_BY_SIDE)], cwd=ROOT)
    while True:
        # Ctrl-C reaches pytest as well, which still has servers to stop; leaving first would orphan them.
        with contextlib.suppress(KeyboardInterrupt):
            return tests.wait() or bool(failed)


def passes(check: tuple[str, ...]) -> bool:
    """Run one check; prints one line for it, after the check's own output if it fails."""
    began = time.monotonic()
    result = run_quietly([BIN / check[0], *check[1:]])
    if result.returncode:
        print(result.stdout.rstrip())
    verdict = "FAILED" if result.returncode else "ok"
    print(f"{verdict:7} {' '.join(check)} ({time.monotonic() - began:.1f} s)", flush=True)
    return not result.returncode


def run_bench(arguments: list[str]) -> int:
    """Become the named benchmark; without a name, list them."""
    benches = {path.stem: path for path in sorted((ROOT / "bench").glob("[!_]*.py"))}
    if not arguments:
        for name, path in benches.items():
            print(f"{name:20} {(ast.get_docstring(ast.parse(path.read_text())) or '').partition(chr(10))[0]}")
        return 0
    name, *rest = arguments
    if name not in benches:
        say(f"There is no benchmark {name!r}; there are: {', '.join(benches)}.")
        return 2
    set_up(DEVELOPMENT)
    return become(BIN / "python", str(benches[name]), *rest)


def become(program: Path, *arguments: str) -> NoReturn:
    """Replace this process: signals, exit code and terminal are then the program's own."""
    os.execv(program, [str(program), *arguments])


def say(line: str) -> None:
    """Progress and trouble go to stderr: stdout belongs to the command."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

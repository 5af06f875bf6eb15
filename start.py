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
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
# Built beside and renamed: a set-up that fails leaves what works.
DRAFT = ROOT / ".venv.new"
FORMER = ROOT / ".venv.old"
STAMP = "penstock.stamp"
PROJECT = "pyproject.toml"
RUNTIME = "requirements.lock"
DEVELOPMENT = "requirements-dev.lock"  # holds all of the runtime's packages too

# Tests mostly wait, so more run at a time than there are cores; a file's tests stay together.
SIDE_BY_SIDE = ("-n", str(min(os.cpu_count() or 1, 5) + 1), "--dist", "loadfile", "--no-loadscope-reorder")
CHECKS = (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",), ("lint-imports",))
CAPTURED: Any = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "errors": "replace"}
TAIL_LINES = 8
PROGRESS_SECONDS = 5

# What the tools say of faults that are not the network's, and what it means.
NOT_ALLOWED = "no permission to write there; start it as the user whom this directory belongs to"
CAUSES = {
    **dict.fromkeys(("permission denied", "permissionerror", "not permitted", "read-only file"), NOT_ALLOWED),
    "no space left": "the disk is full",
}


class SetupFailed(Exception):
    """Set-up cannot go on. The message is one clear line; the failed tool's last lines may follow."""


def main(arguments: list[str]) -> int:
    """Set up what the command needs and run it; returns an exit code, or becomes `penstock`."""
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version")):
        arguments = ["up", *arguments]
    command, *rest = arguments
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
        say(f"Penstock cannot be set up in {ROOT}: {failure}. {cause_of(str(failure))}".rstrip())
    except KeyboardInterrupt:
        say("Interrupted.")
        return 130
    return 1


def set_up(lock: str) -> None:
    """Make `.venv` hold what `lock` pins; instant when it does already, and safe when two starts meet.

    When that fails, as it does without a network, a `.venv` that has older versions of all of it goes on.
    """
    if not outdated(lock):
        return
    with exclusive():
        if FORMER.exists() and not VENV.exists():  # killed between the two renames
            FORMER.rename(VENV)
        parts = outdated(lock)  # asked again: another start may have done the work while this one waited
        if not parts:
            return
        works = serves(lock)
        began = time.monotonic()
        try:
            build(lock, parts)
        except (SetupFailed, OSError) as failure:
            if not works:
                raise
            say(f"{failure}\nGoing on with the .venv that is there; the next start tries again.")
        else:
            say(f"Ready after {time.monotonic() - began:.0f} s.")


def outdated(lock: str) -> set[str]:
    """The parts of `.venv` that are not what `lock` asks for: all of them when it is missing or half made."""
    present = stamped_parts()
    return {part for part, value in wanted_parts(lock).items() if present.get(part) != value}


def serves(lock: str) -> bool:
    """Whether `.venv` can be used for what `lock` is for, be it with other versions than are pinned now."""
    present, pinned = stamped_parts(), wanted_parts(lock)
    return present.get("python") == pinned["python"] and set(pinned) <= set(present)


def wanted_parts(lock: str) -> dict[str, str]:
    """What `.venv` has to be made of: this Python, this place (scripts hold its path), locks, project."""
    files = (RUNTIME, DEVELOPMENT, PROJECT) if lock == DEVELOPMENT else (RUNTIME, PROJECT)
    digests = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in files}
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor} {ROOT}", **digests}


def stamped_parts() -> dict[str, str]:
    """What `.venv` was made of, as the last set-up that came to its end wrote it down."""
    stamp = VENV / STAMP
    if not (stamp.exists() and (BIN / "python").exists()):
        return {}
    return dict(line.split("=", 1) for line in stamp.read_text().splitlines() if "=" in line)


def write_stamp(environment: Path, parts: dict[str, str]) -> None:
    """Write down what an environment is made of."""
    (environment / STAMP).write_text("".join(f"{part}={value}\n" for part, value in parts.items()))


def build(lock: str, parts: set[str]) -> None:
    """Make `.venv` anew, or add to it what is missing."""
    uv = shutil.which("uv")
    is_usable = uv or (BIN / "pip").exists()  # a .venv that uv made has no pip
    environment = DRAFT if parts & {"python", RUNTIME} or not is_usable else VENV
    create, install = uv_commands(uv, environment) if uv else pip_commands(environment)
    present = stamped_parts()
    if environment == DRAFT:
        say(f"Setting up .venv (once, {'about 15 s' if uv else 'one to two minutes'}) ...")
        present = {}
        shutil.rmtree(DRAFT, ignore_errors=True)
        run(*create)
    else:
        say("Bringing .venv up to date ...")
        # What is interrupted is done again; the packages that the product runs on are not touched.
        write_stamp(VENV, {part: "unfinished" if part in parts else value for part, value in present.items()})
    if not present or DEVELOPMENT in parts:
        run(*install, "--require-hashes", "--requirement", lock)
    # Not isolated: the lock holds the build backend too, and an isolated build would fetch it unhashed.
    run(*install, "--no-deps", "--no-build-isolation", "--editable", ".")
    write_stamp(environment, {**present, **wanted_parts(lock)})
    if environment == DRAFT:
        move_into_place()


def move_into_place() -> None:
    """Let the finished DRAFT take the place of `.venv`; its scripts hold the path of the one and get the other's."""
    for path in [DRAFT / "pyvenv.cfg", *(DRAFT / "bin").iterdir()]:
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if DRAFT.name.encode() in content:
            path.write_bytes(content.replace(DRAFT.name.encode(), VENV.name.encode()))
    shutil.rmtree(FORMER, ignore_errors=True)
    if VENV.exists():
        VENV.rename(FORMER)
    DRAFT.rename(VENV)
    shutil.rmtree(FORMER, ignore_errors=True)


def uv_commands(uv: str, environment: Path) -> tuple[list[str], list[str]]:
    """What makes an empty environment of this Python, and what installs into it: uv is ten times as fast as pip."""
    install = [uv, "pip", "install", "--python", str(environment / "bin" / "python")]
    return [uv, "venv", "--python", sys.executable, str(environment)], install


def pip_commands(environment: Path) -> tuple[list[str], list[str]]:
    """The same of Python's own; refuses a Python that lacks them, before anything is made."""
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        raise SetupFailed(
            f"{sys.executable} has no venv or ensurepip module, which .venv is made with. "
            "On Debian and Ubuntu: apt install python3-venv. (Or put uv on the PATH.)"
        )
    # Python compiles what it imports; compiling all that is installed would take a third of the time.
    options = ("--no-compile", "--no-input", "--disable-pip-version-check", "--progress-bar=off")
    create = [sys.executable, "-I", "-m", "venv", str(environment)]
    return create, [str(environment / "bin" / "python"), "-I", "-m", "pip", "install", *options]


def run(*command: str) -> None:
    """Run one step of the set-up; says every few seconds how far it is. Its last lines are the reason if it fails."""
    lines: deque[str] = deque(maxlen=TAIL_LINES)
    options = {"stdin": subprocess.DEVNULL, "close_fds": False, **CAPTURED}  # not closed: the lock is inherited
    with subprocess.Popen(command, **options) as step, progress(lines):
        lines.extend(filter(None, map(str.rstrip, step.stdout or ())))
    if step.returncode:
        reason = "\n  ".join([f"`{' '.join(command)}`: exit code {step.returncode}, after", *lines])
        cause = cause_of(reason) or "Can the package index be reached?"
        raise SetupFailed(f"Penstock could not set up .venv in {ROOT}: {cause}\n  {reason}")


@contextlib.contextmanager
def progress(lines: Sequence[str]) -> Iterator[None]:
    """Show every few seconds the last of the lines that a step prints, and for how long it has run."""
    began = time.monotonic()
    over = threading.Event()

    def show() -> None:
        while not over.wait(PROGRESS_SECONDS):
            say(f"  {time.monotonic() - began:3.0f} s  {(lines or ['...'])[-1].strip()[:72]}")

    threading.Thread(target=show, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def cause_of(output: str) -> str:
    """What went wrong, in words, if a tool's output or an error tells; else nothing."""
    return next((cause for words, cause in CAUSES.items() if words in output.lower()), "")


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
    result = subprocess.run([BIN / check[0], *check[1:]], check=False, **CAPTURED)
    if result.returncode:
        print(result.stdout.rstrip())
    verdict = "FAILED" if result.returncode else "ok"
    print(f"{verdict:7} {' '.join(check)} ({time.monotonic() - began:.1f} s)", flush=True)
    return not result.returncode


def run_bench(arguments: list[str]) -> int:
    """Become the named benchmark, as a module: a script would hide a room of its name. Without a name, list them."""
    places = (ROOT / "bench", *(ROOT / "bench").glob("[!_]*/"))
    paths = {path.stem: path for place in places for path in sorted(place.glob("[!_]*.py"))}
    if not arguments:
        for name, path in paths.items():
            print(f"{name:20} {(ast.get_docstring(ast.parse(path.read_text())) or '').partition(chr(10))[0]}")
        return 0
    name, *rest = arguments
    if name not in paths:
        say(f"There is no benchmark {name!r}; there are: {', '.join(paths)}.")
        return 2
    set_up(DEVELOPMENT)
    return become(BIN / "python", "-m", ".".join(paths[name].relative_to(ROOT).with_suffix("").parts), *rest)


def become(program: Path, *arguments: str) -> NoReturn:
    """Replace this process: signals, exit code and terminal are then the program's own."""
    os.execv(program, [str(program), *arguments])


def say(line: str) -> None:
    """Progress and trouble go to stderr: stdout belongs to the command."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

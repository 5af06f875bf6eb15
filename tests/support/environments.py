"""Environments for clients that the project's own cannot hold: made on first use, kept inside it, used again."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.up import ROOT, clean_environment

CLIENTS = ROOT / "tests" / "clients"
PINS = CLIENTS / "pins"
HOME = Path(sys.prefix) / "clients"

# What pip, uv and npm say when there is no way to the index; anything else that they say is a fault of ours.
_OFFLINE = re.compile(
    r"after connection broken|error sending request|dns error"  # pip, uv, uv
    r"|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT"
)


class Parts:
    """What the parts of a client's program saw, as the last line that the program printed."""

    def __init__(self, printed: str) -> None:
        self._parts: dict[str, Any] = json.loads(printed.splitlines()[-1])

    def __contains__(self, name: str) -> bool:
        """Whether the client's program has this part."""
        return name in self._parts

    def __getitem__(self, name: str) -> dict[str, Any]:
        """What one part saw; fails with the traceback of one that came to no end."""
        part = self._parts[name]
        assert isinstance(part, dict), part
        return part


@dataclass(frozen=True)
class Environment:
    """Where a client is installed: `command`, run in `directory`, takes a program on its stdin."""

    command: tuple[str, ...]
    directory: Path

    def run(self, program: str, **variables: str) -> str:
        """What a program prints; fails with its complaint when it ends badly."""
        ended = subprocess.run(
            self.command,
            cwd=self.directory,
            env=clean_environment(**variables),
            input=program,
            capture_output=True,
            encoding="utf-8",
            timeout=100,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def parts(self, script: str, url: str) -> Parts:
        """Run a client's script against the server at `url`, which it finds where OpenAI's clients look for it."""
        path = CLIENTS / script
        # Python's find what lies beside them.
        beside, itself = str(path.parent), str(path)
        run = f"import runpy, sys\nsys.path.insert(0, {beside!r})\nrunpy.run_path({itself!r}, None, '__main__')"
        program = run if path.suffix == ".py" else path.read_text(encoding="utf-8")
        # LiteLLM asks for prices on the network otherwise.
        variables = {"OPENAI_API_KEY": "any", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        return Parts(self.run(program, OPENAI_BASE_URL=f"{url}/v1", **variables))


def own() -> Environment:
    """The environment that the tests run in."""
    return _interpreter(Path(sys.prefix))


def python(name: str) -> Environment:
    """One with the packages of `pins/NAME.txt`; skips the test when they cannot be fetched."""
    return _interpreter(_made(name, PINS / f"{name}.txt", _install_python))


def release_tools() -> Path:
    """The directory of one with what ops/release builds and checks with; skips the test when it cannot be fetched."""
    return _made("release", ROOT / "requirements-release.lock", _install_python)


def node(name: str = "openai-node") -> Environment:
    """One with the packages of `pins/NAME.json`; skips the test without Node or when they cannot be fetched."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not on the PATH")
    # A module that comes on stdin finds its imports from the directory that Node runs in.
    return Environment(("node", "--input-type=module"), _made(name, PINS / f"{name}.json", _install_node))


def _interpreter(directory: Path) -> Environment:
    # Isolated: a checkout on PYTHONPATH must not lend it modules.
    return Environment((str(directory / "bin" / "python"), "-I", "-"), directory)


def _install_python(directory: Path, pins: Path) -> None:
    place, interpreter = str(directory), str(directory / "bin" / "python")
    if uv := shutil.which("uv"):
        _take(uv, "venv", "--seed", "--python", sys.executable, place)
        _take(uv, "pip", "install", "--python", interpreter, "--requirement", str(pins))
    else:
        _take(sys.executable, "-I", "-m", "venv", place)
        options = ("--no-compile", "--no-input", "--retries=1")
        _take(interpreter, "-I", "-m", "pip", "install", *options, "--requirement", str(pins))


def _install_node(directory: Path, pins: Path) -> None:
    directory.mkdir()
    shutil.copy(pins, directory / "package.json")
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--fetch-retries=1")
    _take("npm", "install", "--prefix", str(directory), *options)


def _take(*step: str) -> None:
    """Run one step of an installation; skips the test when it fails for want of the index."""
    ended = subprocess.run(
        step, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if ended.returncode and _OFFLINE.search(ended.stdout):
        pytest.skip("the client is not installed, and the package index cannot be reached")
    assert ended.returncode == 0, ended.stdout


def _made(name: str, pins: Path, install: Callable[[Path, Path], None]) -> Path:
    """The directory of an environment, installed if it does not hold what `pins` asks for."""
    directory = HOME / name
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()
    stamp = directory / "pins.sha256"
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == digest):
            shutil.rmtree(directory, ignore_errors=True)
            install(directory, pins)
            stamp.write_text(digest)  # last: what is half installed is installed again
    return directory

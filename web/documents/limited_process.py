"""A module that runs as a process of its own: what it reads may be hostile, and what it makes may be large.

The process gets its input on stdin, and nothing of our environment: no key, no address of a database.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from jobs.errors import PenstockError

_AT_ONCE = threading.BoundedSemaphore(2)
_WAIT_SECONDS = 20.0
# The process ends with it when it understands its input, and cannot do what is asked: its stdout says why.
REFUSED = 3


class ProcessFailed(PenstockError):
    """The process has not done its work. `code` is `busy`, `too_long`, `broken`, or what the process itself says."""

    def __init__(self, code: str, details: str = "") -> None:
        super().__init__(f"{code} {details}".strip())
        self.code, self.details = code, details


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may use."""

    seconds: int
    memory_bytes: int
    output_bytes: int


def run(module: str, content: bytes, limits: Limits) -> bytes:
    """What the module writes to stdout for this input. At most two run at once; others wait. Raises ProcessFailed."""
    if not _AT_ONCE.acquire(timeout=_WAIT_SECONDS):
        raise ProcessFailed("busy")
    try:
        return _run(module, content, limits)
    finally:
        _AT_ONCE.release()


def _run(module: str, content: bytes, limits: Limits) -> bytes:
    numbers = [str(limits.seconds), str(limits.memory_bytes)]
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", module, *numbers],
            input=content,
            capture_output=True,
            timeout=2 * limits.seconds,  # its own limit is one of the processor
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"},
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProcessFailed("too_long") from None
    if ended.returncode == REFUSED:
        code, _, details = ended.stdout.decode().partition("\n")
        raise ProcessFailed(code, details)
    if ended.returncode < 0 or _kind_of_error(ended.stderr) == "MemoryError":
        raise ProcessFailed("too_long")
    if ended.returncode or len(ended.stdout) > limits.output_bytes:
        raise ProcessFailed("broken", _kind_of_error(ended.stderr))
    return ended.stdout


def _kind_of_error(stderr: bytes) -> str:
    """The type of the error that ended a process; its message may quote a text."""
    return stderr.decode(errors="replace").strip().rpartition("\n")[2].partition(":")[0]


def limit_this_process() -> None:
    """Take the limits from the command line, for the process that `run` has started."""
    seconds, memory_bytes = map(int, sys.argv[1:3])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # macOS knows no limit of the address space
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    os.nice(10)


def refuse(code: str, details: str = "") -> NoReturn:
    """End this process: `run` raises ProcessFailed with this code."""
    sys.stdout.write(f"{code}\n{details}")
    sys.exit(REFUSED)

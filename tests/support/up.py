"""`penstock up` and its client commands, as a person runs them: processes, in a directory of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
from click.testing import CliRunner, Result

import cli.main

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "cli.main")


def eventually(look: Callable[[], T], seconds: float = 20) -> T:
    """The first true value that `look` gives; fails when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := look()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
    return value


def clean_environment(**changes: str) -> dict[str, str]:
    """This process's environment without any setting of Penstock's."""
    ours = ("PENSTOCK_", "OPENAI_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | changes


def command(*arguments: str, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; `text` is its stdin."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=clean_environment(**environment),
        input=text or "",
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


def ask(url: str, *arguments: str, text: str | None = None) -> Result:
    """Run a client command against a server, in this process, where the client is imported only once."""
    result = CliRunner(env={"PENSTOCK_URL": url}).invoke(cli.main.main, arguments, input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


class Up:
    """One running `penstock up`."""

    def __init__(self, process: subprocess.Popen[str], data: Path, words: Path) -> None:
        self.process = process
        self.data = data
        self._words = words
        assert process.stdout
        self.url = process.stdout.readline().rstrip("\n")
        self.group = {child.pid for child in psutil.Process(process.pid).children(recursive=True)}

    @property
    def words(self) -> str:
        """What it has written to stderr so far."""
        return self._words.read_text()

    def pid_of(self, word: str) -> int | None:
        """The pid of its direct child with `word` on its command line, None while there is none."""
        for child in psutil.Process(self.process.pid).children():
            try:
                if word in " ".join(child.cmdline()):
                    return child.pid
            except psutil.NoSuchProcess:
                continue
        return None

    def kill(self, word: str) -> None:
        """Kill its child with `word` on its command line, as soon as there is one."""
        pid = eventually(lambda: self.pid_of(word))
        assert pid
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not living({pid}))

    def run(self, *arguments: str, text: str | None = None) -> Result:
        """Run a client command against it."""
        return ask(self.url, *arguments, text=text)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def running(
    data: Path, *arguments: str, program: tuple[str, ...] = COMMAND, cwd: Path = ROOT, **environment: str
) -> Iterator[Up]:
    """`penstock up` on a free port with its data in `data`, started in `cwd`; killed at the end if it still runs."""
    words = data.with_name(f"{data.name}.stderr")
    settings: Mapping[str, str] = {"PENSTOCK_DRAIN_SECONDS": "1", "LANG": "C.UTF-8", **environment}
    with (
        words.open("w") as stderr,
        subprocess.Popen(
            [*program, "up", "--port", "0", "--data", str(data), *arguments],
            cwd=cwd,
            env=clean_environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            yield Up(process, data, words)
        finally:
            process.kill()


def living(pids: set[int]) -> set[int]:
    """Those of the processes that run; a zombie does not."""
    return {pid for pid in pids if psutil.pid_exists(pid) and _status(pid) != psutil.STATUS_ZOMBIE}


def _status(pid: int) -> str:
    try:
        return psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE

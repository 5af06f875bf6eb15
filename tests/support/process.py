"""One process of a Penstock, which a test can signal, kill and wait for."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.support.up import ROOT

_LAST_WORDS = 4_000


class Process:
    """One process, with its output in a file."""

    def __init__(self, argv: list[str], log: Path, environment: dict[str, str], fds: tuple[int, ...] = ()) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                argv, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=fds
            )

    @property
    def name(self) -> str:
        """What it is called in its log's name, and a worker in the database."""
        return self.log.stem

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self) -> None:
        """Have it stand still, and wait until all of its threads do: a signal takes a moment to reach them."""
        self.send(signal.SIGSTOP)
        tasks = Path(f"/proc/{self.pid}/task")
        while any(task.joinpath("stat").read_text().rpartition(") ")[2][0] not in "Tt" for task in tasks.iterdir()):
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once, with the processes that it has started. Once more is no error."""
        if self.is_running:
            children = psutil.Process(self.pid).children(recursive=True)
            self._process.kill()
            self._process.wait()
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()

    def terminate(self) -> None:
        """Ask it to end in order."""
        self._process.terminate()

    def end(self, seconds: float = 40) -> int:
        """End it in order; its exit code."""
        self._process.terminate()
        return self.wait(seconds)

    def wait(self, seconds: float = 40) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait(seconds)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; a signal's number, negative, when that has ended it."""
        return self._process.poll()

    @property
    def is_running(self) -> bool:
        return self.exit_code is None

    @property
    def exit_reason(self) -> str:
        """What became of it and the end of its log, for whoever reads of a failure."""
        return f"{self.name} (exit code {self.exit_code}) wrote last:\n{self.log.read_text()[-_LAST_WORDS:]}"

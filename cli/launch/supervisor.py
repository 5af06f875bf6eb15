"""Keeps children alive, ends them in order, and makes sure that none outlives the launcher, however it ends.

All children share one process group, led by a sentinel: a shell that reads from a pipe whose other end only
the launcher holds. When the launcher is killed the pipe ends, and the sentinel kills the group. A group of
their own also means that a Ctrl-C in the terminal reaches the launcher alone.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from typing import NoReturn

import click

from cli.launch.log_rotation import begin_log, rotate_log
from cli.launch.watchdog import Watchdog
from jobs.errors import PenstockError
from jobs.settings import child_environment

# Not PR_SET_PDEATHSIG: Linux only, lost on exec of a set-uid program, and it does not reach grandchildren.
_SENTINEL = ("/bin/sh", "-c", "read _; kill -KILL 0")
_TICK = 0.05
_MINUTE = 60.0  # seconds: within them five deaths are too many, and after them a death is forgiven
_TOO_MANY = 5
_FIRST_PAUSE = 0.05
_FULL_PAUSE = 2.0
_LITTLE_BYTES = 1 << 20
_TAIL_LINES = 20
_ABORT_SECONDS = 1.0


@dataclass(eq=False)
class Child:
    """A process of ours, started again and again under one name; its log is of this `up`, and has about `log_bytes`
    at most.

    It inherits the descriptors `fds`, and may take `grace` seconds to end after SIGTERM. `life` is an id of its
    own for each process that it was. `remedy` is what a person could do about its failure. With a `watchdog` it is
    ended when it stands still.
    """

    name: str
    argv: list[str]
    environment: dict[str, str]
    log: Path
    fds: tuple[int, ...] = ()
    grace: float = 5
    log_bytes: int = 20_000_000
    remedy: str = ""
    watchdog: Watchdog | None = None
    life: str = field(init=False)
    process: Popen[bytes] = field(init=False)
    _deaths: list[float] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        begin_log(self.log)

    def start(self, group: int) -> None:
        """Start a new life of it in the process group `group`."""
        self.life = f"{self.name}-{secrets.token_hex(4)}"
        env = child_environment(**self.environment, PENSTOCK_WORKER_ID=self.life)
        if self.watchdog:
            self.watchdog.begin()
        with self.log.open("ab") as log:
            self.process = Popen(
                self.argv, env=env, stdin=DEVNULL, stdout=log, stderr=log, pass_fds=self.fds, process_group=group
            )

    def exit_reason(self) -> str | None:
        """None while it runs; else how it ended: `exit 1`, `SIGKILL`."""
        code = self.process.poll()
        if code is None:
            return None
        return f"exit {code}" if code >= 0 else signal.Signals(-code).name

    def end_if_frozen(self) -> None:
        """Kill it when it has stood still for too long; before that it may write to its log where it stands."""
        if not self.watchdog or not self.watchdog.is_frozen(time.monotonic()):
            return
        with suppress(OSError):  # stderr may be a file on a disk that is full
            click.echo(f"{self.name} has stood still for {self.watchdog.seconds:g} s; ending it", err=True)
        self.process.send_signal(signal.SIGABRT)
        try:
            self.process.wait(_ABORT_SECONDS)
        except TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def record_death(self) -> float:
        """The seconds to wait before it is started again.

        Raises ChildFailed at its fifth death in a minute; while the disk is full, it is tried for ever.
        """
        now = time.monotonic()
        self._deaths = [*(death for death in self._deaths if now - death < _MINUTE), now]
        if len(self._deaths) >= _TOO_MANY and is_full(self.log.parent):
            self._deaths = self._deaths[-1:]
            return _FULL_PAUSE
        if len(self._deaths) == _TOO_MANY:
            raise ChildFailed(self, f"died five times in a minute, at last with {self.exit_reason()}")
        return _FIRST_PAUSE * float(2 ** len(self._deaths))


def is_full(directory: Path) -> bool:
    """Whether the disk of a directory has no room to work in."""
    return shutil.disk_usage(directory).free < _LITTLE_BYTES


class ChildFailed(PenstockError):
    """A child did not come up, or died too often; `tail` is the end of its log."""

    def __init__(self, child: Child, what: str) -> None:
        super().__init__(f"{child.name} {what}; its log is {child.log}{child.remedy}")
        with child.log.open(errors="replace") as lines:
            self.tail = "".join(deque(lines, _TAIL_LINES))


class Supervisor(ExitStack):
    """The children of one launcher, in stages: each stage needs those before it, and ends before them.

    Use it as a context manager; leaving it kills whatever still runs, and closes what else was entered here.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stages: list[tuple[Child, ...]] = []
        self._sentinel = Popen(_SENTINEL, stdin=PIPE, stderr=DEVNULL, process_group=0)
        self.callback(self._kill)

    def _kill(self) -> None:
        # The sentinel is not yet waited for, so the number of its group cannot have passed to anyone else.
        with suppress(ProcessLookupError):
            os.killpg(self._sentinel.pid, signal.SIGKILL)
        self._sentinel.communicate()
        for child in self.children:
            child.process.wait()

    @property
    def children(self) -> list[Child]:
        """All children, in the order in which they were started."""
        return [child for stage in self._stages for child in stage]

    def start(self, *stage: Child) -> None:
        """Start children that need all those started before them."""
        for child in stage:
            child.start(self._sentinel.pid)
        self._stages.append(stage)

    def wait_until(self, ready: Callable[[], bool], child: Child, seconds: float = 60) -> None:
        """Wait until `ready`, which asks `child`.

        Raises ChildFailed when any child dies, or `child` takes longer than `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            for other in self.children:
                if words := other.exit_reason():
                    raise ChildFailed(other, f"ended while starting ({words})")
            if time.monotonic() > deadline:
                raise ChildFailed(child, f"was not ready after {seconds:.0f} s")
            time.sleep(_TICK)

    def keep(self, on_death: Callable[[str], object]) -> NoReturn:
        """Start again whatever dies, for ever; `on_death` is told at once which life has ended.

        Raises ChildFailed when one dies five times in a minute.
        """
        while True:
            for child in self.children:
                rotate_log(child.log, child.log_bytes)
                child.end_if_frozen()
                if words := child.exit_reason():
                    on_death(child.life)
                    pause = child.record_death()
                    with suppress(OSError):  # stderr may be a file on a disk that is full
                        click.echo(f"{child.name} died ({words}); starting it again", err=True)
                    time.sleep(pause)  # two seconds at most: the others can wait
                    child.start(self._sentinel.pid)
            time.sleep(_TICK)

    def stop(self) -> None:
        """End all children, the last stage first; one that outlasts its grace is killed."""
        for stage in reversed(self._stages):
            for child in stage:
                child.process.terminate()
            deadline = time.monotonic() + max(child.grace for child in stage)
            while running := [child for child in stage if not child.exit_reason()]:
                if time.monotonic() > deadline:
                    for child in running:
                        child.process.kill()
                time.sleep(_TICK)

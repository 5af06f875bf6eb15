"""Keeps children alive, ends them in order, and makes sure that none outlives the launcher, however it ends.

All children share one process group, led by a sentinel: a shell that reads from a pipe whose other end only
the launcher holds. When the launcher is killed the pipe ends, and the sentinel kills the group. A group of
their own also means that a Ctrl-C in the terminal reaches the launcher alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn, Self

import click

from cli.child import Child
from jobs.errors import PenstockError

# Not PR_SET_PDEATHSIG: Linux only, lost on exec of a set-uid program, and it does not reach grandchildren.
_SENTINEL = ("/bin/sh", "-c", "read _; kill -KILL 0")
_TICK = 0.05


class ChildFailed(PenstockError):
    """A child did not come up, or died too often; `tail` is the end of its log."""

    def __init__(self, child: Child, what: str) -> None:
        super().__init__(f"{child.name} {what}; its log is {child.log.path}")
        self.tail = child.log.tail()


class Supervisor:
    """The children of one launcher, in stages: each stage needs those before it, and ends before them.

    Use it as a context manager; leaving it kills whatever still runs.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self._stages: list[Sequence[Child]] = []
        self._due: dict[str, float] = {}
        self._verbose = verbose

    def __enter__(self) -> Self:
        self._sentinel = subprocess.Popen(
            _SENTINEL, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
        )
        return self

    def __exit__(self, *_: object) -> None:
        # The sentinel is not yet waited for, so the number of its group cannot have passed to anyone else.
        with suppress(ProcessLookupError):
            os.killpg(self._sentinel.pid, signal.SIGKILL)
        for child in self.children:
            child.wait()
        assert self._sentinel.stdin
        self._sentinel.stdin.close()
        self._sentinel.wait()

    @property
    def children(self) -> list[Child]:
        """All children, in the order in which they were started."""
        return [child for stage in self._stages for child in stage]

    def start(self, *stage: Child) -> None:
        """Start children that need all those started before them."""
        self._stages.append(stage)
        for child in stage:
            child.start(self._sentinel.pid)

    def forget(self, child: Child) -> None:
        """Let go of a child that has ended."""
        self._stages = [stage for stage in self._stages if child not in stage]

    def wait_until(self, ready: Callable[[], bool], child: Child, seconds: float) -> None:
        """Wait until `ready`, which asks `child`.

        Raises ChildFailed when any child dies, or `child` takes too long.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            for each in self.children:
                if words := each.last_words():
                    raise ChildFailed(each, f"ended while starting ({words})")
            if time.monotonic() > deadline:
                raise ChildFailed(child, f"was not ready after {seconds:.0f} s")
            self._tick()

    def keep(self) -> NoReturn:
        """Start again whatever dies, for ever. Raises ChildFailed when one dies five times in a minute."""
        while True:
            for child in self.children:
                self._tend(child)
            self._tick()

    def _tend(self, child: Child) -> None:
        if words := child.last_words():
            pause = child.bury()
            if pause is None:
                raise ChildFailed(child, f"died five times in a minute, at last with {words}")
            click.echo(f"{child.name} died ({words}); starting it again", err=True)
            self._due[child.name] = time.monotonic() + pause
        elif child.name in self._due and time.monotonic() >= self._due[child.name]:
            del self._due[child.name]
            child.start(self._sentinel.pid)

    def stop(self) -> None:
        """End all children, the last stage first; one that outlasts its grace is killed."""
        for stage in reversed(self._stages):
            for child in stage:
                child.send(signal.SIGTERM)
            deadline = time.monotonic() + max(child.grace for child in stage)
            while any(_runs(child) for child in stage):
                if time.monotonic() > deadline:
                    for child in stage:
                        child.send(signal.SIGKILL)
                self._tick()

    def _tick(self) -> None:
        if self._verbose:
            for child in self.children:
                for line in child.log.fresh():
                    click.echo(f"{child.name:<9}| {line}", err=True)
        time.sleep(_TICK)


def _runs(child: Child) -> bool:
    return child.pid is not None and child.last_words() is None

"""Whose turn it is when tests run side by side: one that promises a time, or loads the machine, runs alone."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# These very files are locked: no lock file is left behind.
_GATE, _FLOOR = Path(__file__), Path(__file__).with_name("soak.py")


class Turns:
    """The turns of one process."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self._keeps = False

    @contextmanager
    def turn(self, *, exclusive: bool, next_exclusive: bool) -> Iterator[None]:
        """The time of a test: no test of another process runs meanwhile if it is to be `exclusive`, else none that is.

        Tests in a row that are exclusive have one turn: they do not wait for the others before each.
        """
        if not self._keeps:
            self._held.enter_context(_floor(fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH))
        self._keeps = exclusive and next_exclusive
        try:
            yield
        finally:
            if not self._keeps:
                self._held.close()


@contextmanager
def _floor(how: int) -> Iterator[None]:
    with _FLOOR.open() as floor:
        with _GATE.open() as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)  # whoever waits to be alone lets no other begin
            fcntl.flock(floor, how)
        yield

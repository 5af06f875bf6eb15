"""Whose turn it is when tests run side by side: one that promises a time, or loads the machine, runs alone."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# These very files are locked: no lock file is left behind.
_GATE, _FLOOR = Path(__file__), Path(__file__).with_name("soak.py")


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """The time of one test: no test of another process runs meanwhile if it is to be `alone`, else none that is."""
    with _GATE.open() as gate, _FLOOR.open() as floor:
        fcntl.flock(gate, fcntl.LOCK_EX)  # whoever waits to be alone lets no other begin
        fcntl.flock(floor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield

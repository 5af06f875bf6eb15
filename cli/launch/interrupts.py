"""Signals as KeyboardInterrupt, raised again until somebody has taken it.

An exception from a signal handler is lost when it happens to be raised under a C callback or a finaliser; a
person would press Ctrl-C once more, a process manager that sends one SIGTERM would not.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Self

_AGAIN_SECONDS = 0.05


class Interrupts:
    """While it is open, the given signals, and the end of `timeout` seconds, raise KeyboardInterrupt.

    A signal that this process was started to ignore (nohup, a shell's background job) stays ignored.
    """

    def __init__(self, *numbers: signal.Signals, timeout: float | None = None) -> None:
        self._numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        self._timeout = timeout
        self._cause: int | None = None
        self._over = False

    def __enter__(self) -> Self:
        numbers = (*self._numbers, signal.SIGALRM)
        self._before = [(number, signal.signal(number, self._raise)) for number in numbers]
        signal.setitimer(signal.ITIMER_REAL, self._timeout or 0)
        return self

    def __exit__(self, *_: object) -> None:
        # First of all: one more exception in here would leave the timer running, to go off when nobody expects it.
        self._over = True
        self.take()
        for number, handler in self._before:
            signal.signal(number, handler)

    def take(self) -> int | None:
        """Stop raising it; the signal that it was, SIGALRM for the timeout, None for no signal."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        cause, self._cause = self._cause, None
        return cause

    def _raise(self, number: int, _frame: FrameType | None) -> None:
        if self._over:
            return
        self._cause = self._cause or number
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
        raise KeyboardInterrupt

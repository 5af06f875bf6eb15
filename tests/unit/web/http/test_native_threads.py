"""What takes long does not stop the event loop."""

from __future__ import annotations

import threading

import gevent
import pytest

from web.http.native_threads import NativeThreads


def test_other_greenlets_run_during_a_computation() -> None:
    going_on = threading.Event()
    other = gevent.spawn(going_on.set)
    assert NativeThreads(1).run(going_on.wait, 10)
    other.join()


def test_what_the_function_raises_is_raised_and_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no number"):
        NativeThreads(1).run(_refuse, "no number")
    assert capfd.readouterr().err == ""


def _refuse(reason: str) -> None:
    raise ValueError(reason)

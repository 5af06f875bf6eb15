"""A process of its own: its limits, its environment, and what it says."""

from __future__ import annotations

import json
import threading

import pytest
from werkzeug.exceptions import TooManyRequests

from web.actions.source_files import read_source
from web.documents import limited_process
from web.documents.limited_process import Limits, ProcessFailed, run

ROOMY = Limits(seconds=60, memory_bytes=1 << 30, output_bytes=1 << 20)
MODULE = "tests.support.limited"


def test_it_gives_its_output_and_knows_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_SECRET", "not for it")
    told = json.loads(run(MODULE, b"tell", ROOMY))
    assert told["content"] == "tell"
    assert not [name for name in told["environment"] if name.startswith("PENSTOCK")]


@pytest.mark.parametrize(
    ("asked", "limits", "code"),
    [
        (b"refuse", ROOMY, "such a code"),
        (b"spin", Limits(1, 1 << 30, 1 << 20), "too_long"),
        (b"sleep", Limits(1, 1 << 30, 1 << 20), "too_long"),
        (b"allocate", Limits(60, 1 << 28, 1 << 20), "too_long"),
        (b"write", Limits(60, 1 << 30, 1000), "broken"),
        (b"raise", ROOMY, "broken"),
    ],
)
def test_what_it_may_not_or_cannot_is_a_code(asked: bytes, limits: Limits, code: str) -> None:
    with pytest.raises(ProcessFailed) as failed:
        run(MODULE, asked, limits)
    assert failed.value.code == code
    assert "quoted" not in failed.value.details


def test_who_cannot_have_a_turn_may_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = threading.BoundedSemaphore(1)
    taken.acquire()
    monkeypatch.setattr(limited_process, "_AT_ONCE", taken)
    monkeypatch.setattr(limited_process, "_WAIT_SECONDS", 0.01)
    with pytest.raises(TooManyRequests) as refused:
        read_source("a.txt", b"text", 99)
    assert refused.value.retry_after

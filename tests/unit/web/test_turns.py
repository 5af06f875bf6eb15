"""Long work lets others have their turn."""

from __future__ import annotations

import time

import pytest

from web.turns import Turns


def test_turns_are_given_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    now = [0.0]
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    turns = Turns()
    turns.give_way()
    assert pauses == []
    now[0] = 0.02
    turns.give_way()
    turns.give_way()
    assert len(pauses) == 1
    assert pauses[0] > 0  # at 0 an event loop goes on without a look at its sockets

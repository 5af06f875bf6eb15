"""`/healthz`, when something in a web process hangs."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.background import Repetition, repeat
from jobs.storage.database import Database
from tests.support.stack import wait_for
from web.api import health
from web.api.health import Health


def health_of(database: Any, *beats: Repetition) -> tuple[int, dict[str, Any]]:
    context: Any = SimpleNamespace(database=database, heartbeats=beats, settings=SimpleNamespace(lease_seconds=15))
    answer = Health(context).healthz()
    return answer.status_code, json.loads(answer.data)


def test_a_heartbeat_or_a_transaction_that_hangs_is_named(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = Repetition("waiters")
    assert health_of(sqlite_database, beat) == (200, {"ok": True})
    beat.began_at -= health.STUCK_SECONDS + 1
    monkeypatch.setattr(sqlite_database, "longest", lambda: health.STUCK_SECONDS + 1)
    assert health_of(sqlite_database, beat) == (503, {"ok": False, "stuck": ["waiters", "database"]})


def test_a_round_that_fails_is_no_reason_to_worry() -> None:
    is_over = threading.Event()

    def fail() -> None:
        if is_over.is_set():
            threading.Event().wait()
        raise ValueError

    beat = repeat("failing", fail, pause=0.01)
    began_at = beat.began_at
    wait_for(lambda: beat.began_at > began_at)
    is_over.set()

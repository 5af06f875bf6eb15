"""The subscription of a web process: however often its connection breaks, it is made again."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from jobs.storage.store import Store
from jobs.transport.event_log import EventLog
from tests.support.job_factory import sqlite
from web.relay.subscriber import Subscriber


def test_a_subscription_is_tried_again_as_often_as_it_fails(tmp_path: Path) -> None:
    client = redis.Redis.from_url(f"unix://{tmp_path}/nobody.sock", protocol=2, max_connections=2)
    subscriber = Subscriber(client, EventLog(client), Store(sqlite(tmp_path)))
    for _ in range(5):
        with pytest.raises(redis.ConnectionError, match="No such file"):
            subscriber._subscribe()

"""The queue: what a message holds, and what becomes of one that Redis does not take."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import redis

from cli.redis_server import RedisServer
from jobs.queue import GENERATE, Queue, QueueAway
from jobs.settings import Settings
from tests.support.rows import Rows


def test_invariant_10_ids_only_in_the_queue(rows: Rows, tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        queue, job = Queue(Settings.load(redis_url=server.url)), rows.accept()
        queue.wake(job.id)
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            (key,) = client.keys("*penstock")
            (raw,) = client.lrange(key, 0, -1)
        message = json.loads(raw)
        arguments, options, _ = json.loads(base64.b64decode(message["body"]))
        assert (arguments, options) == ([job.id], {})
        assert message["headers"]["task"] == GENERATE
        assert job.request["messages"][0]["content"] not in raw
        queue.app.close()


def test_a_message_that_redis_does_not_take_is_left_to_rescue(tmp_path: Path) -> None:
    queue = Queue(Settings.load(redis_url=f"unix://{tmp_path}/none.sock"), socket_seconds=1)
    with pytest.raises(QueueAway):
        queue.wake("resp_1")
    queue.app.close()

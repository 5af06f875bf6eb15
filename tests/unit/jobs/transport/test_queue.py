"""The queue: all that a message says is which job waits."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import redis

from jobs.settings import Settings
from jobs.transport.queue import GENERATE, Queue
from tests.support.job_factory import OWNER, JobFactory, accepted
from tests.support.redis_server import RedisServer


def test_invariant_10_ids_only_in_the_queue(job_factory: JobFactory, tmp_path: Path) -> None:
    job = job_factory.store.accept(OWNER, accepted(input="a secret", metadata={"who": "nobody"}))
    with RedisServer(tmp_path) as server, redis.Redis.from_url(server.url, decode_responses=True) as client:
        # It need not be the Redis of the logs.
        queue = Queue(Settings.load(redis_url="redis://127.0.0.1:1/0", broker_url=server.url))
        queue.wake(job.id)
        (raw,) = client.lrange("penstock:celery:penstock", 0, -1)
        queue.app.close()
    message = json.loads(raw)
    body = base64.b64decode(message.pop("body"))
    arguments, options, _ = json.loads(body)
    assert (arguments, options) == ([job.id], {})
    assert message["headers"]["task"] == GENERATE
    for word in (b"secret", b"nobody", OWNER.encode()):
        assert word not in body + raw.encode()

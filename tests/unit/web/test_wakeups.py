"""The wake-ups that a web process sends."""

from __future__ import annotations

from pathlib import Path

import redis

from jobs.settings import Settings
from jobs.transport.event_log import EventLog
from jobs.transport.queue import Queue
from tests.support.redis_server import RedisServer
from tests.support.stack import wait_for
from web.wakeups import WakeupSender

MESSAGES = "penstock:celery:penstock"
MOST = 5


def test_no_more_wake_ups_wait_than_workers_may_have_room_for(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        queue = Queue(Settings.load(redis_url=server.url))
        wakeups = WakeupSender(queue, EventLog(client), most=MOST)
        wakeups.start()
        send_all(wakeups, "first")
        wait_for(lambda: client.llen(MESSAGES) == MOST)
        client.lpop(MESSAGES, 2)  # a worker has room
        send_all(wakeups, "second")
        wait_for(lambda: client.llen(MESSAGES) == MOST)
        assert queue.untaken() == MOST
        queue.app.close()


def send_all(wakeups: WakeupSender, name: str) -> None:
    """Send far more than there is room for, and wait until the sender has seen all of them."""
    for number in range(10 * MOST):
        wakeups.job(f"{name} {number}")
    wait_for(wakeups._jobs.empty)

"""A server that turns out to be a replica is left: the same name may lead to another one by now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.launch.redis_server import FAKE
from jobs.settings import Settings
from jobs.transport.event_log import Append, AppendStatus, EventLog, channel
from jobs.transport.queue import Queue, QueueAway
from jobs.transport.redis_client import redis_client
from tests.support.proxy import Proxy
from tests.support.redis_group import SERVER, RedisNode

FRAME = b"event: a\ndata: {}\n\n"

pytestmark = pytest.mark.skipif(SERVER == FAKE, reason="no Redis server")


class Name(NamedTuple):
    """A URL that leads to one server after the other."""

    url: str
    proxy: Proxy
    servers: list[RedisNode]

    def move(self) -> None:
        """The first server becomes a replica, its connections stay; the name leads to the second."""
        with self.servers[0].client() as client:
            client.replicaof("127.0.0.1", "1")
        self.proxy.target = ("127.0.0.1", self.servers[1].port)


@pytest.fixture
def name(tmp_path: Path) -> Iterator[Name]:
    with RedisNode(tmp_path / "0") as first, RedisNode(tmp_path / "1") as second, Proxy() as proxy:
        for node in (first, second):
            with node.client() as client:
                node.wait(client)
        proxy.target = ("127.0.0.1", first.port)
        yield Name(f"redis://{proxy.address}/0", proxy, [first, second])


def statuses(log: EventLog, batch: Append, times: int = 1) -> list[AppendStatus]:
    """What becomes of a batch that is sent again and again."""
    return [log.append([batch])[0].status for _ in range(times)]


def test_writers_leave_a_demoted_primary(name: Name) -> None:
    with redis_client(name.url) as client, name.servers[1].client() as second:
        log = EventLog(client)
        log.take("resp_1", 1)
        assert statuses(log, Append("resp_1", 1, 0, 0, [FRAME])) == [AppendStatus.OK]
        name.move()
        more = Append("resp_1", 1, 1, 1, [FRAME])
        # The attempt puts back what the second one does not hold.
        assert statuses(log, more, times=2) == [AppendStatus.FAILED, AppendStatus.LOST]
        log.take("resp_1", 1)
        log.rebuild("resp_1", 1, [[(0, FRAME)]])
        assert statuses(log, more) == [AppendStatus.OK]
        assert second.xlen(f"{channel('resp_1')}:log") == 2


def test_wake_ups_leave_a_demoted_primary(name: Name) -> None:
    queue = Queue(Settings.load(redis_url=name.url))
    queue.wake("resp_1")
    name.move()
    with pytest.raises(QueueAway):
        queue.wake("resp_2")
    queue.wake("resp_3")
    with name.servers[1].client() as client:
        assert client.llen("penstock:celery:penstock") == 1
    queue.app.close()

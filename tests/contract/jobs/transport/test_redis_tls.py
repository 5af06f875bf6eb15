"""Redis over TLS: every link checks the certificate, the one of the wake-ups too, before it says a password."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import kombu.pools
import pytest
import redis
from kombu.exceptions import OperationalError

from jobs.settings import Settings
from jobs.transport.queue import Queue, QueueAway
from jobs.transport.redis_client import redis_client
from tests.support.certificates import OPENSSL, Certificates, make_certificates
from tests.support.redis_group import PRIMARY, SENTINEL, SERVER, RedisNode


def _has_tls() -> bool:
    if not OPENSSL or not SERVER.startswith("/"):
        return False
    said = subprocess.run([SERVER, "--tls-port", "none"], capture_output=True, text=True, check=False, timeout=20)
    return "Bad directive" not in said.stdout + said.stderr


pytestmark = pytest.mark.skipif(not _has_tls(), reason="no openssl, or a Redis server without TLS")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=["rediss", "rediss+sentinel"])
def url(
    request: pytest.FixtureRequest, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Of a Redis, and of the Sentinel of one, that speak nothing but TLS and have a password."""
    directory = tmp_path_factory.mktemp("tls")
    password = ("--requirepass", "tigers99")
    with ExitStack() as running:
        node = running.enter_context(RedisNode(directory / "node", *password, tls=certificates))
        with node.client(password="tigers99") as client:
            node.wait(client)
        if request.param == "rediss":
            yield f"rediss://:tigers99@127.0.0.1:{node.port}/0"
            return
        config = SENTINEL % (node.port, 1) + f"sentinel auth-pass {PRIMARY} tigers99\n"
        sentinel = RedisNode(
            directory / "sentinel", "--sentinel", "--requirepass", "lions", config=config, tls=certificates
        )
        running.enter_context(sentinel)
        with sentinel.client(password="lions") as client:
            sentinel.wait(client)
        yield f"rediss+sentinel://:tigers99@127.0.0.1:{sentinel.port}/{PRIMARY}/0?sentinel_password=lions"


@contextmanager
def queue(**settings: Any) -> Iterator[Queue]:
    """A queue whose connections no other one takes over: kombu's pools do not look at certificates."""
    queue = Queue(Settings.load(**settings))
    yield queue
    kombu.pools.reset()
    queue.app.close()


def test_an_authority_of_ones_own_is_trusted(url: str, certificates: Certificates) -> None:
    with redis_client(url, certificates.ca) as client, queue(redis_url=url, redis_ca=certificates.ca) as outgoing:
        outgoing.wake("resp_1")
        assert client.llen("penstock:celery:penstock") == 1
        with outgoing.app.connection_for_read() as connection:
            connection.default_channel  # noqa: B018  (connects)


def test_another_is_refused(url: str) -> None:
    with redis_client(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()
    with queue(redis_url=url) as outgoing:
        with pytest.raises(QueueAway):
            outgoing.wake("resp_1")
        with outgoing.app.connection_for_read() as connection, pytest.raises(OperationalError):
            connection.default_channel  # noqa: B018  (connects)

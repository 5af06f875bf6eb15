"""Redis over TCP, with the options that a test gives it; and a primary with replicas, which Sentinels watch."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.launch.redis_server import find_program
from tests.support.certificates import Certificates
from tests.support.process import Process
from tests.support.stack import START_SECONDS, wait_for
from tests.support.up import ROOT, clean_environment

SERVER = find_program()
PRIMARY = "jobs"
PASSWORD = "tigers99"
# The user with exactly the rules that the documentation gives it.
_DOCUMENTED = re.search(r"^user penstock .*$", (ROOT / "docs" / "redis.md").read_text(encoding="utf-8"), re.MULTILINE)
assert _DOCUMENTED
USER = _DOCUMENTED[0].replace("PASSWORD", PASSWORD)
SENTINEL = f"""
sentinel monitor {PRIMARY} 127.0.0.1 %d %d
sentinel down-after-milliseconds {PRIMARY} 1500
sentinel failover-timeout {PRIMARY} 6000
"""


def free_port() -> int:
    """A port that nobody listened on a moment ago: a Sentinel remembers ports, and takes no socket that is bound."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class RedisNode:
    """One server, as a context. `options` are those of `redis-server`; with `tls` it speaks nothing else."""

    def __init__(self, directory: Path, *options: str, config: str = "", tls: Certificates | None = None) -> None:
        self.port = free_port()
        self._tls = tls
        self.directory = directory
        directory.mkdir(parents=True)
        file = directory / "redis.conf"
        file.write_text(f"{config}\n")
        argv = [SERVER, str(file), "--bind", "127.0.0.1", "--dir", str(directory), "--save", "", *options]
        argv += _tls_options(self.port, tls) if tls else ["--port", str(self.port)]
        self.process = Process(argv, directory / "redis.log", clean_environment())

    @property
    def url(self) -> str:
        return f"redis{'s' if self._tls else ''}://127.0.0.1:{self.port}/0"

    def client(self, **options: Any) -> redis.Redis:
        """A client that reports errors at once."""
        tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": str(self._tls.ca)} if self._tls else {}
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0), **tls, **options)

    @staticmethod
    def wait(client: redis.Redis) -> None:
        """Wait until it answers."""
        wait_for(lambda: _answers(client), START_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()


class RedisGroup:
    """A primary, two replicas and three Sentinels, as a context; ready when its Sentinels know all of them.

    `url` is for the user of the documentation, who may do no more than it says.
    """

    def __init__(self, directory: Path) -> None:
        self._running = ExitStack()
        first = self._running.enter_context(RedisNode(directory / "n0", config=USER))
        replica = ("--replicaof", "127.0.0.1", str(first.port))
        fast = ("--repl-diskless-sync-delay", "0")
        self.nodes = [first]
        for number in (1, 2):
            self.nodes.append(
                self._running.enter_context(RedisNode(directory / f"n{number}", *replica, *fast, config=USER))
            )
        # A Sentinel that comes later finds them at once; one that is there looks every ten seconds.
        with first.client() as client:
            wait_for(lambda: _has_replicas(client), START_SECONDS)
        monitor = SENTINEL % (first.port, 2)
        self.sentinels = [
            self._running.enter_context(RedisNode(directory / f"s{number}", "--sentinel", config=monitor))
            for number in range(3)
        ]
        self._ask = [self._running.enter_context(node.client(decode_responses=True)) for node in self.sentinels]
        wait_for(self._is_ready, START_SECONDS)

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{node.port}" for node in self.sentinels)
        return f"redis+sentinel://penstock:{PASSWORD}@{places}/{PRIMARY}/0"

    @property
    def primary(self) -> RedisNode:
        """The one that the Sentinels name."""
        _, port = self._ask[0].sentinel_get_master_addr_by_name(PRIMARY)
        return next(node for node in self.nodes if node.port == int(port))

    def switch(self) -> None:
        """Have another one become the primary, in order."""
        before = self.primary
        self._ask[0].sentinel_failover(PRIMARY)
        wait_for(lambda: self.primary is not before, 60)
        # The Sentinels do the same to it ten seconds later.
        with before.client() as client:
            client.replicaof("127.0.0.1", str(self.primary.port))
            for kind in ("normal", "pubsub"):
                client.client_kill_filter(_type=kind, skipme=True)

    def lose(self) -> None:
        """Kill the primary, and wait until another one has taken its place."""
        before = self.primary
        before.process.kill()
        wait_for(lambda: self.primary is not before, 60)

    def _is_ready(self) -> bool:
        try:
            states = [client.sentinel_master(PRIMARY) for client in self._ask]
            return all(state["num-slaves"] == 2 and state["num-other-sentinels"] == 2 for state in states)
        except redis.RedisError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()


def _tls_options(port: int, tls: Certificates) -> list[str]:
    files = ["--tls-ca-cert-file", str(tls.ca), "--tls-cert-file", str(tls.certificate), "--tls-key-file", str(tls.key)]
    return ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--tls-replication", "yes", *files]


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _has_replicas(client: redis.Redis) -> bool:
    try:
        return bool(client.info("replication")["connected_slaves"] == 2)
    except redis.RedisError:
        return False

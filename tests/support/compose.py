"""docker-compose.yml without Docker: each service's command, with its environment, as a process of this machine."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import redis
import yaml  # type: ignore[import-untyped]

from tests.support.images import write_start_file
from tests.support.nginx import Nginx
from tests.support.process import Process
from tests.support.stack import wait_for
from tests.support.up import COMMAND, ROOT, clean_environment

OURS = ("migrate", "web", "worker", "batch-worker")


def compose_file() -> Any:
    """docker-compose.yml as it is."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


class Compose:
    """The services, with the places inside a container put into `directory`, and what the `shell` sets.

    `database` is the URL of the database that stands for the service `postgres`.
    """

    def __init__(self, directory: Path, database: str, redis_program: str, shell: Mapping[str, str]) -> None:
        self.services: dict[str, Any] = compose_file()["services"]
        self.redis_socket = directory / "redis.sock"
        self.database = database
        self.running: dict[str, Process] = {}
        self.nginx = Nginx(directory / "nginx")
        self._directory, self._shell = directory, shell
        self._secrets = directory / "secrets"
        self._secrets.mkdir()
        for name in compose_file()["secrets"]:
            (self._secrets / name).write_text(f"{sha256(name.encode()).hexdigest()}\n")
        self._images = {target: write_start_file(directory, target) for target in ("web", "worker")}
        self._places = {
            "redis://redis:6379/0": f"unix://{self.redis_socket}",
            "postgresql://penstock@postgres/penstock": database,
            "port 6379": f"port 0\nunixsocket {self.redis_socket}",
            "valkey-server": redis_program,
            "dir /data": f"dir {directory}",
            "/run/secrets": str(self._secrets),
            "$$": "$",
        }

    def secret(self, name: str) -> str:
        """What stands in a secret's file."""
        return (self._secrets / name).read_text().strip()

    def environment(self, service: str, container: str = "") -> dict[str, str]:
        """A service's environment, with what the shell has to say to ours."""
        asked: dict[str, str | None] = self.services[service]["environment"]
        given = dict(asked)
        given |= {name: value for name, value in self._shell.items() if service in OURS}
        if self.database.startswith("sqlite"):
            given.pop("PENSTOCK_DATABASE_PASSWORD_FILE", None)
        own = {name: str(self._directory / f"{container or service}.{name}") for name in ("data", "heartbeat")}
        places = {"/data": own["data"], "/tmp/heartbeat": own["heartbeat"]}
        here = {name: places.get(value, self._local(value)) for name, value in given.items() if value is not None}
        if service in OURS:
            here["PYTHONPATH"] = str(self._images[self.services[service]["build"]["target"]])
        return clean_environment(**here)

    def _local(self, word: str) -> str:
        for there, here in self._places.items():
            word = word.replace(there, here)
        return word

    def argv(self, service: str) -> list[str]:
        """A service's command, for ours behind the entry point of the image."""
        command = [self._local(word) for word in self.services[service]["command"]]
        if service not in OURS:
            return command
        return [*COMMAND, *("0" if word == "8000" else word for word in command)]

    def run(self, service: str, *command: str) -> str:
        """`docker compose exec SERVICE penstock COMMAND`, else the service itself until it ends: its stdout."""
        argv = [*COMMAND, *command] if command else self.argv(service)
        done = subprocess.run(
            argv, env=self.environment(service), cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, service: str) -> list[Process]:
        """A container for each replica of the service, as a process."""
        count = self.services[service].get("deploy", {}).get("replicas", 1)
        return [self.start_one(service, f"{service}-{number}") for number in range(1, count + 1)]

    def start_one(self, service: str, container: str) -> Process:
        """One container of the service, as a process."""
        log = self._directory / f"{container}.log"
        self.running[container] = Process(self.argv(service), log, self.environment(service, container))
        return self.running[container]

    def start_redis(self) -> redis.Redis:
        """The Redis service: its script, with the server that this machine has. A client that knows the password."""
        log = self._directory / "redis.log"
        self.running["redis"] = Process(self.argv("redis"), log, clean_environment())
        client = redis.Redis(unix_socket_path=str(self.redis_socket), password=self.secret("redis_password"))
        wait_for(lambda: answers(client))
        return client

    def start_proxy(self, *webs: str) -> None:
        """The proxy in front of these addresses."""
        command = self.argv("proxy")
        assert command[:4] == ["nginx", "-c", "/etc/penstock/nginx.conf", "-g"]
        self.running["proxy"] = self.nginx.start(*webs)

    def has_begun(self, container: str) -> bool:
        """Whether a health check may pass by now: a process for each is no way to wait."""
        file = self._directory / f"{container}.heartbeat"
        return container.startswith("web") or file.exists()

    def is_healthy(self, service: str, container: str, port: int = 0) -> bool:
        """Whether a container's own health check passes."""
        kind, *argv = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        file = self.environment(service, container).get("PENSTOCK_HEARTBEAT_FILE", "")
        local = [word.replace(":8000", f":{port}").replace("/tmp/heartbeat", file) for word in argv]
        local[0] = sys.executable
        return subprocess.run(local, capture_output=True, timeout=60, check=False).returncode == 0

    def close(self) -> None:
        """End everything."""
        for process in self.running.values():
            process.kill()
        self.nginx.close()


def answers(client: redis.Redis) -> bool:
    """Whether a Redis answers a PING."""
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def listening_port(process: Process) -> int | None:
    """The port that a process or its children listen on; looking is not cheap, so it begins with a pause."""
    time.sleep(0.3)
    for one in (psutil.Process(process.pid), *psutil.Process(process.pid).children()):
        for connection in one.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN:
                return int(connection.laddr.port)
    return None


def seconds(duration: str) -> float:
    """A duration as compose writes it, in seconds."""
    return float(re.fullmatch(r"(\d+)s", duration)[1])  # type: ignore[index]

"""docker-compose.yml, its commands run as local processes: they exist, find each other and do a job."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
import redis
import yaml  # type: ignore[import-untyped]

from cli.launch.redis_server import FAKE, find_program
from jobs.settings import Settings
from tests.support.process import Process
from tests.support.stack import DemoModel, wait_for
from tests.support.up import COMMAND, ROOT, clean_environment
from tests.support.wire import fetch

SERVER = find_program()
PASSWORD = "0123456789abcdef"


class Compose:
    """The services of docker-compose.yml, with the places inside a container put into `directory`."""

    def __init__(self, directory: Path, shell: Mapping[str, str]) -> None:
        self.services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        self.redis_socket = directory / "redis.sock"
        self._directory, self._shell = directory, shell
        self._places = {
            "/data": str(directory / "data"),
            f"redis://:{PASSWORD}@redis:6379/0": f"unix://:{PASSWORD}@{self.redis_socket}",
            "8000": "0",
            "python": sys.executable,
        }

    def environment(self, service: str) -> dict[str, str]:
        """A service's environment; what has no value there comes from the shell, if it is there."""
        asked: dict[str, str | None] = self.services[service]["environment"]
        given = {name: self._shell.get(name) if value is None else value for name, value in asked.items()}
        return clean_environment(**{name: self._local(value) for name, value in given.items() if value is not None})

    def _local(self, word: str) -> str:
        word = re.sub(r"\$\{REDIS_PASSWORD(:\?[^}]*)?\}", PASSWORD, word)
        return self._places.get(word, word)

    def argv(self, service: str) -> list[str]:
        """A service's command, behind the entry point of the image."""
        return [*COMMAND, *map(self._local, self.services[service]["command"])]

    def run(self, service: str, *command: str) -> str:
        """`docker compose exec SERVICE penstock COMMAND`: its stdout."""
        argv = [*COMMAND, *command] if command else self.argv(service)
        done = subprocess.run(
            argv, env=self.environment(service), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, service: str) -> Process:
        """The service as a process."""
        return Process(self.argv(service), self._directory / f"{service}.log", self.environment(service))

    def start_redis(self) -> Process:
        """The Redis service: its options on the server that this machine has, on a unix socket."""
        _, *options = map(self._local, self.services["redis"]["command"])
        argv = [SERVER, *options, "--port", "0", "--unixsocket", str(self.redis_socket)]
        argv += ["--dir", str(self._directory)]
        return Process(argv, self._directory / "redis.log", clean_environment())

    def is_healthy(self, service: str, port: int) -> bool:
        """Whether the service's own health check passes."""
        kind, *argv = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        local = [self._local(word).replace(":8000", f":{port}") for word in argv]
        return subprocess.run(local, capture_output=True, timeout=20, check=False).returncode == 0


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[tuple[Compose, dict[str, Process]]]:
    """All services, started in the order that they ask for."""
    with ExitStack() as ends:
        model = DemoModel(tmp_path)
        ends.callback(model.close)
        found = Compose(tmp_path, {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "demo"})
        running = {"redis": found.start_redis()}
        ends.callback(running["redis"].kill)
        client = redis.Redis(unix_socket_path=str(found.redis_socket), password=PASSWORD)
        ends.callback(client.close)
        wait_for(lambda: _answers(client))
        with (
            redis.Redis(unix_socket_path=str(found.redis_socket)) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        found.run("migrate")
        for service in ("web", "worker"):
            running[service] = found.start(service)
            ends.callback(running[service].kill)
        yield found, running


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _port(process: Process) -> int | None:
    """The port that a process or its children listen on."""
    for one in (psutil.Process(process.pid), *psutil.Process(process.pid).children()):
        for connection in one.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN:
                return int(connection.laddr.port)
    return None


@pytest.mark.skipif(SERVER == FAKE, reason="no redis-server and no valkey-server on this machine")
def test_the_services_of_compose_do_a_job(compose: tuple[Compose, dict[str, Process]]) -> None:
    found, running = compose
    port = wait_for(lambda: _port(running["web"]))
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: found.is_healthy("web", port), 60)
    secret = found.run("web", "keys", "create", "somebody").strip()
    assert fetch(url, "/v1/responses")[0] == 401
    with openai.OpenAI(base_url=f"{url}/v1", api_key=secret, max_retries=0) as client:
        job = client.responses.create(input="deployed [[demo rate=0 first=0 tokens=20]]", background=True)
        final = wait_for(lambda: _completed(client, job.id))
        assert final.model == "demo"  # the only one that the server offers
        assert final.output_text
    grace = float(found.services["worker"]["stop_grace_period"].removesuffix("s"))
    assert Settings.model_fields["drain_seconds"].default + 10 < grace
    assert [running[service].end(grace) for service in ("web", "worker")] == [0, 0]
    assert "Traceback" not in "".join(running[service].log.read_text() for service in ("web", "worker"))


def _completed(client: openai.OpenAI, job_id: str) -> Any:
    job = client.responses.retrieve(job_id)
    return job if job.status == "completed" else None


def test_the_image_runs_penstock_commands() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    (entry,) = [line.removeprefix("ENTRYPOINT ") for line in lines if line.startswith("ENTRYPOINT")]
    assert json.loads(entry) == ["penstock"]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    ours = {name: service for name, service in services.items() if name != "redis"}
    assert {service["image"] for service in ours.values()} == {"penstock"}
    for service in ("web", "worker"):
        assert ours[service]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert ours["web"]["ports"] == ["127.0.0.1:8000:8000"]  # nobody else, until there is TLS


def test_containers_write_to_their_volumes_only_and_have_limits() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert set(services) == {"redis", "migrate", "web", "worker"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["mem_limit"]
        assert service["pids_limit"] > 0
        assert "no-new-privileges:true" in service["security_opt"]
        assert all(volume.endswith(":/data") for volume in service["volumes"])
        assert not service.get("ports") or service["ports"] == ["127.0.0.1:8000:8000"]

"""docker-compose.yml, its services run as local processes: they find each other, do jobs, and bear a death."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest
import redis
from sqlalchemy import select

from cli.launch.redis_server import FAKE, find_program
from jobs.settings import Settings
from jobs.storage.database import Database
from jobs.storage.schema import jobs
from tests.support import nginx
from tests.support.compose import OURS, Compose, compose_file, listening_port, seconds
from tests.support.postgres import find_programs, postgres
from tests.support.process import Process
from tests.support.stack import START_SECONDS, DemoModel, wait_for
from tests.support.up import COMMAND, ROOT, clean_environment
from tests.support.wire import fetch, request

SERVER = find_program()
QUICK = "deployed [[demo rate=0 first=0 tokens=20]]"
SLOW = "deployed [[demo rate=15 first=0 tokens=120]]"


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[Compose]:
    """All services but the proxy, started in the order that they ask for."""
    with ExitStack() as ends:
        programs = find_programs()
        database = ends.enter_context(postgres(programs)) if programs else f"sqlite:///{tmp_path / 'penstock.db'}"
        model = DemoModel(tmp_path)
        ends.callback(model.close)
        # A lease that the test can wait for.
        shell = {"OPENAI_BASE_URL": model.url, "PENSTOCK_LEASE_SECONDS": "3", "PENSTOCK_MODEL": "demo"}
        found = Compose(tmp_path, database, SERVER, shell)
        ends.callback(found.close)
        _check_redis(found, ends.enter_context(found.start_redis()))
        found.run("migrate")
        for service in ("web", "worker", "batch-worker"):
            found.start(service)
        yield found


def _check_redis(compose: Compose, client: redis.Redis) -> None:
    with redis.Redis(unix_socket_path=str(compose.redis_socket)) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


@pytest.mark.skipif(SERVER == FAKE, reason="no redis-server and no valkey-server on this machine")
@pytest.mark.skipif(not nginx.PROGRAM or not shutil.which("openssl"), reason="no nginx, or no openssl")
@pytest.mark.timeout(400)  # nine processes on a busy machine
def test_a_job_ends_well_while_a_web_process_and_a_worker_die(compose: Compose) -> None:
    url = _start_proxy(compose)
    secret = compose.run("web", "keys", "create", "somebody").strip()
    assert fetch(url, "/v1/responses")[0] == 401
    with request(compose.nginx.url_below_a_path, "/penstock/signin") as answer:
        assert b'action="/penstock/signin"' in answer.read()
    with openai.OpenAI(base_url=f"{url}/v1", api_key=secret, max_retries=3) as client:
        job = client.responses.create(input=SLOW, background=True)
        text = compose.nginx.directory / "text"
        batch = client.responses.create(input=QUICK, background=True, service_tier="flex")
        watch = _watch(url, secret, job.id, text)
        try:
            wait_for(lambda: len(text.read_text().split()) > 5)  # streamed through the proxy while it is written
            compose.running["web-1"].kill()  # the one that the proxy asks
            runner = _runner(compose, job.id)
            assert runner.name in ("worker-1", "worker-2")
            runner.kill()
            assert watch.wait(START_SECONDS) == 0
        finally:
            watch.kill()
        ended = client.responses.retrieve(job.id)
        wait_for(lambda: client.responses.retrieve(batch.id).status == "completed")
        assert _runner(compose, batch.id).name == "batch-worker-1"
    assert ended.status == "completed"
    assert text.read_text().rstrip("\n") == ended.output_text.rstrip("\n")
    assert (ended.model_extra or {})["penstock"]["attempt"] == 2
    living = [one for name, one in compose.running.items() if name.startswith(("web", "worker", "batch"))]
    living = [one for one in living if one.is_running]
    assert len(living) == 3
    for process in living:
        process.terminate()
    assert [process.wait() for process in living] == [0, 0, 0]
    assert "Traceback" not in "".join(process.log.read_text() for process in compose.running.values())


def _start_proxy(compose: Compose) -> str:
    """The proxy, once all others are healthy; its address."""
    ports = {}
    for container, process in compose.running.items():
        service = container.rpartition("-")[0]
        if service == "web":
            ports[container] = wait_for(partial(listening_port, process), START_SECONDS)
        if service in OURS:
            wait_for(partial(compose.has_begun, container), START_SECONDS)
            wait_for(partial(compose.is_healthy, service, container, ports.get(container, 0)), START_SECONDS)
    compose.start_proxy(*(f"127.0.0.1:{ports[web]}" for web in sorted(ports)))
    return compose.nginx.url


def _watch(url: str, secret: str, job_id: str, text: Path) -> subprocess.Popen[bytes]:
    environment = clean_environment(PENSTOCK_URL=url, PENSTOCK_API_KEY=secret)
    with text.open("wb") as output:
        return subprocess.Popen([*COMMAND, "watch", job_id], cwd=ROOT, env=environment, stdout=output)


def _runner(compose: Compose, job_id: str) -> Process:
    """The worker that runs a job: its name has its process's id."""
    database = Database(compose.database)
    try:
        with database.read() as connection:
            name = connection.execute(select(jobs.c.worker).where(jobs.c.id == job_id)).scalar_one()
    finally:
        database.engine.dispose()
    workers = [process for container, process in compose.running.items() if "worker" in container]
    return next(worker for worker in workers if f"-{worker.pid}-" in name)


# -- what the file promises ----------------------------------------------------------------------------------------


def services() -> dict[str, Any]:
    found: dict[str, Any] = compose_file()["services"]
    return found


def test_the_images_run_penstock_commands() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert 'ENTRYPOINT ["penstock"]' in lines
    assert lines.count("USER 10001") == 2
    targets = {name: services()[name]["build"]["target"] for name in OURS}
    assert targets == {"migrate": "web", "web": "web", "worker": "worker", "batch-worker": "worker"}
    for name in ("web", "worker", "batch-worker"):
        assert services()[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert {name: services()[name]["deploy"]["replicas"] for name in ("web", "worker")} == {"web": 2, "worker": 2}
    assert {name for name, service in services().items() if service.get("profiles") == ["observe"]} == {
        "prometheus",
        "grafana",
        "flower",
    }


def test_containers_write_to_their_volumes_only_and_have_limits() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["mem_limit"], name
        assert service["pids_limit"] > 0, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
        assert "healthcheck" in service or name == "migrate", name
        assert all(volume.endswith(":ro") for volume in service.get("volumes", []) if volume.startswith("./")), name


def test_nothing_but_the_proxy_and_what_observes_is_reached_and_from_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert set(published) == {"proxy", "grafana", "flower"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    networks = compose_file()["networks"]
    for name in ("redis", "postgres"):
        assert [networks[network] for network in services()[name]["networks"]] == [{"internal": True}]


def test_no_secret_stands_in_the_file() -> None:
    secrets = compose_file()["secrets"]
    assert {secret["file"] for secret in secrets.values()} == {f"./secrets/{name}" for name in secrets}
    asked = [name for service in services().values() for name in service.get("secrets", [])]
    assert set(asked) == set(secrets)
    text = (ROOT / "docker-compose.yml").read_text()
    assert all(f"secrets/{name}" in text.partition("x-container")[0] or name in text for name in secrets)
    for service in services().values():
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name.upper().removesuffix("_FILE") or str(value).startswith("/run/secrets/")


def test_a_container_has_longer_to_end_than_its_process_takes() -> None:
    drain = Settings.model_fields["drain_seconds"].default
    for name in ("worker", "batch-worker"):
        assert seconds(services()[name]["stop_grace_period"]) > drain + 10
    assert seconds(services()["web"]["stop_grace_period"]) > 8  # web/gunicorn.py's graceful_timeout

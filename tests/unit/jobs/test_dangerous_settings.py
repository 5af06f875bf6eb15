"""Settings with which no process of a deployment starts, and what is said of each."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cli.launch.processes import WEB, WORKER
from jobs.dangerous_settings import refuse_dangerous
from jobs.errors import BadSetting
from jobs.settings import Settings
from tests.support.up import COMMAND, ROOT, clean_environment

SECRET = "6fb2c1d09e4a78356fb2c1d09e4a7835"
ELSEWHERE = f"redis://:{SECRET}@redis:6379/0"
OPEN = "redis://redis:6379/0"


@pytest.mark.parametrize(
    ("values", "hosts", "words"),
    [
        ({}, ["0.0.0.0"], "0.0.0.0 can be reached from outside and PENSTOCK_AUTH is off"),
        ({}, ["127.0.0.1", "::"], ":: can be reached from outside"),
        ({"redis_url": OPEN}, [], "the Redis at redis is asked without a password"),
        ({"redis_url": "rediss://user@10.0.0.7/0"}, [], "the Redis at 10.0.0.7 is asked without a password"),
        ({"broker_url": OPEN}, [], "PENSTOCK_BROKER_URL: the Redis at redis is asked without a password"),
        ({"broker_url": "amqp://rabbit"}, [], "the broker at rabbit is asked without a password"),
        ({"broker_url": "amqp://guest:guest@rabbit"}, [], "PENSTOCK_BROKER_URL: its password is one that everybody"),
        (
            {"redis_url": "redis://:changeme@redis/0"},
            [],
            "PENSTOCK_REDIS_URL: its password is one that everybody tries",
        ),
        ({"database_url": "postgresql+psycopg://penstock:Postgres@db/p"}, [], "PENSTOCK_DATABASE_URL: its password"),
        ({"secret": "short"}, [], "PENSTOCK_SECRET has 5 characters"),
        ({"secret": "0" * 64}, [], "PENSTOCK_SECRET is a placeholder"),
        ({"secret": "please-change-me-before-you-start"}, [], "PENSTOCK_SECRET is a placeholder"),
        ({"auth": "keys", "flask_debug": True}, ["192.0.2.1"], "FLASK_DEBUG is set"),
        ({"redis_url": ELSEWHERE, "log_level": "debug"}, [], "PENSTOCK_LOG_LEVEL=debug"),
    ],
)
def test_what_opens_it_to_others_is_refused(values: dict[str, object], hosts: list[str], words: str) -> None:
    with pytest.raises(BadSetting) as refused:
        refuse_dangerous(Settings.load(**values), hosts)
    assert words in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("values", "hosts"),
    [
        ({}, ["127.0.0.1", "127.0.0.2", "::1"]),
        ({"log_level": "debug", "flask_debug": True}, ["127.0.0.1"]),
        ({"redis_url": "unix:///run/redis.sock"}, []),
        ({"redis_url": "redis://localhost:6379/0", "database_url": "postgresql://postgres:postgres@127.0.0.1/p"}, []),
        ({"redis_url": OPEN, "redis_without_password": True}, []),
        ({"redis_url": OPEN, "redis_password": SECRET, "auth": "keys", "secret": SECRET}, ["0.0.0.0"]),
    ],
)
def test_what_is_safe_is_not(values: dict[str, object], hosts: list[str]) -> None:
    refuse_dangerous(Settings.load(**values), hosts)


@pytest.mark.parametrize(
    ("argv", "variables", "words"),
    [
        ([*WORKER], {"PENSTOCK_REDIS_URL": OPEN}, "penstock worker: PENSTOCK_REDIS_URL: the Redis at redis"),
        ([*COMMAND, "web", "--port", "0"], {"PENSTOCK_REDIS_URL": OPEN}, "Error: PENSTOCK_REDIS_URL: the Redis"),
        ([*COMMAND, "up", "--host", "0.0.0.0"], {}, "Error: 0.0.0.0 can be reached from outside"),
        # Past the command, as a service of systemd may start it.
        ([*WEB, "0.0.0.0:0"], {}, "penstock web: 0.0.0.0 can be reached from outside"),
    ],
)
def test_no_process_starts_with_them(argv: list[str], variables: dict[str, str], words: str, tmp_path: Path) -> None:
    environment = clean_environment(PENSTOCK_DATA=str(tmp_path / "data"), **variables)
    ended = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr

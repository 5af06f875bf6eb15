"""A Redis that would not do is named when a process starts, with the remedy; one that is away is waited for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cli.launch.processes import WORKER
from cli.launch.redis_server import FAKE
from jobs.errors import BadSetting
from jobs.settings import Settings
from jobs.transport.redis_check import refuse_unfit_redis
from tests.support.redis_group import PASSWORD, SERVER, USER, RedisNode
from tests.support.up import ROOT, clean_environment

pytestmark = pytest.mark.skipif(SERVER == FAKE, reason="no Redis server")

_, NAME, *RULES = USER.split()
# Without these it works as well, or not as well, but it works.
OPTIONAL = {"-@dangerous", "+role", "+info", "on", f">{PASSWORD}"}
NEEDED = [rule for rule in RULES if rule not in OPTIONAL]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisNode]:
    with RedisNode(tmp_path_factory.mktemp("check") / "redis") as node, node.client() as client:
        node.wait(client)
        yield node


def url_of_user(node: RedisNode, rules: list[str]) -> str:
    with node.client() as client:
        client.execute_command("ACL", "SETUSER", NAME, "reset", *rules)
    return f"redis://{NAME}:{PASSWORD}@127.0.0.1:{node.port}/0"


@pytest.mark.parametrize("name", ["redis_url", "broker_url"])
def test_the_documented_rules_are_enough(node: RedisNode, name: str) -> None:
    refuse_unfit_redis(Settings.load(**{name: url_of_user(node, RULES)}))


@pytest.mark.parametrize("missing", NEEDED)
def test_a_missing_rule_is_noticed(node: RedisNode, missing: str) -> None:
    url = url_of_user(node, [rule for rule in RULES if rule != missing])
    with pytest.raises(BadSetting, match=r"^PENSTOCK_REDIS_URL: Redis refuses this user [A-Z]+ .*docs/redis\.md"):
        refuse_unfit_redis(Settings.load(redis_url=url))


def test_a_wrong_password_is_named(node: RedisNode) -> None:
    url = url_of_user(node, RULES).replace(PASSWORD, "lions")
    with pytest.raises(BadSetting, match="refuses the user or the password") as caught:
        refuse_unfit_redis(Settings.load(redis_url=url))
    assert "lions" not in str(caught.value)


def test_a_worker_says_what_it_is_refused_and_exits_with_a_failure(node: RedisNode, tmp_path: Path) -> None:
    url = url_of_user(node, [rule for rule in RULES if rule != "+@write"])
    environment = clean_environment(PENSTOCK_DATA=str(tmp_path), PENSTOCK_REDIS_URL=url)
    done = subprocess.run(WORKER, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "penstock worker: PENSTOCK_REDIS_URL: Redis refuses this user SET" in done.stderr


def test_a_cluster_is_refused(tmp_path: Path) -> None:
    with ExitStack() as running:
        node = running.enter_context(RedisNode(tmp_path / "redis", "--cluster-enabled", "yes"))
        node.wait(running.enter_context(node.client()))
        with pytest.raises(BadSetting, match="a Redis Cluster cannot carry Penstock"):
            refuse_unfit_redis(Settings.load(redis_url=node.url))


def test_a_redis_that_is_away_is_waited_for() -> None:
    refuse_unfit_redis(Settings.load(redis_url="redis://127.0.0.1:1/0", broker_url="amqp://127.0.0.1:1"))

"""What a Redis that answers has to be fit for, looked at when a process starts: no Cluster, and no command refused."""

from __future__ import annotations

from collections.abc import Iterator

import redis

from jobs.errors import BadSetting
from jobs.settings import Settings
from jobs.transport.redis_client import redis_client

_SECONDS = 2.0
_KEY = "penstock:{check}"
# A command of each rule in docs/redis.md.
_COMMANDS: tuple[tuple[str | int, ...], ...] = (
    ("PING",),
    ("SET", _KEY, 1, "PX", 1000),
    ("GET", _KEY),
    ("TIME",),
    ("MULTI",),
    ("DISCARD",),
    ("EVAL", "return 1", 1, _KEY),
    ("PUBLISH", _KEY, ""),
    ("DEL", _KEY),
)


def refuse_unfit_redis(settings: Settings) -> None:
    """Raise BadSetting, one line with the remedy, when a Redis of the settings answers, and would not do.

    One that does not answer is waited for: what is accepted runs without it.
    """
    urls = {"PENSTOCK_REDIS_URL": settings.redis_url, "PENSTOCK_BROKER_URL": settings.broker_url}
    for name, url in urls.items():
        if url and not url.startswith("amqp"):
            for problem in _problems(url, settings):
                raise BadSetting(f"{name}: {problem}")


def _problems(url: str, settings: Settings) -> Iterator[str]:
    with redis_client(url, settings.redis_ca, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
        try:
            if _is_cluster(client):
                yield "a Redis Cluster cannot carry Penstock; name a single Redis or Sentinels (docs/redis.md)"
            yield from _refused_commands(client)
        except redis.AuthenticationError as error:
            yield f"Redis refuses the user or the password ({error})"
        except redis.RedisError:
            return


def _is_cluster(client: redis.Redis) -> bool:
    try:
        return bool(client.info("cluster").get("cluster_enabled"))
    except redis.ResponseError:  # not every user may ask, nor every server tell
        return False


def _refused_commands(client: redis.Redis) -> Iterator[str]:
    """On one connection: a transaction is begun and given up."""
    for command in _COMMANDS:
        try:
            client.execute_command(*command)  # type: ignore[no-untyped-call]
        except redis.exceptions.NoPermissionError as error:
            yield f"Redis refuses this user {command[0]} ({error}): give it the rules in docs/redis.md"
        except redis.ResponseError:  # full, or a replica: that passes
            continue

"""Celery's settings for its broker: the Redis of the logs, another one, or RabbitMQ."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jobs.redis_url import RedisUrl
from jobs.settings import Settings
from jobs.transport.redis_client import connection_options

_KEY_PREFIX = "penstock:celery:"
# A consumer leaves a dead link to RabbitMQ after twice this time.
_HEARTBEAT_SECONDS = 10


def broker_settings(settings: Settings, socket_seconds: float) -> dict[str, Any]:
    """What Celery is to know of its broker; `socket_seconds` is how long it may stay silent."""
    url = settings.broker_url or settings.redis_url
    if url.startswith("amqp"):
        return _rabbitmq_settings(url, socket_seconds)
    return _redis_settings(RedisUrl.parse(url), settings.redis_ca, socket_seconds)


def _rabbitmq_settings(url: str, socket_seconds: float) -> dict[str, Any]:
    # Celery's own default checks no certificate.
    tls = {"ssl": None, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
    return {
        "broker_url": url,
        "broker_use_ssl": tls if url.startswith("amqps://") else False,
        # Without them whoever sends waits for a silent broker for ever.
        "broker_transport_options": {"read_timeout": socket_seconds, "write_timeout": socket_seconds},
        "broker_heartbeat": _HEARTBEAT_SECONDS,
    }


def _redis_settings(url: RedisUrl, ca: Path | None, socket_seconds: float) -> dict[str, Any]:
    server, sentinel = connection_options(url, ca)
    options: dict[str, Any] = {
        "visibility_timeout": 7200,
        "socket_timeout": socket_seconds,
        "socket_connect_timeout": min(5, socket_seconds),
        "socket_keepalive": True,
        # A dead link is noticed after twice this time; no message arrives meanwhile.
        "health_check_interval": 5,
        "global_keyprefix": _KEY_PREFIX,
        # A wake-up that cannot be sent now is not waited for; the consumer has a patience of its own.
        "max_retries": 0,
    }
    if url.sentinels:
        options |= {"master_name": url.primary, "sentinel_kwargs": sentinel}
    # Celery's own default checks no certificate.
    tls = {"ssl_cert_reqs": ssl.CERT_REQUIRED, **_starting_with("ssl_", server)} if url.is_tls else False
    return {
        "broker_url": _celery_url(url, server),
        "broker_use_ssl": tls,
        "broker_transport_options": options,
        "worker_disable_prefetch": True,
    }


def _celery_url(url: RedisUrl, server: Mapping[str, Any]) -> str:
    """The URL in Celery's spelling; Sentinels are several URLs."""
    user = f"{_quoted(server.get('username'))}:{_quoted(server.get('password'))}@"
    database = server.get("db", 0)
    if path := server.get("path"):
        return f"redis+socket://{user}{path}?virtual_host={database}"
    if url.sentinels:
        return ";".join(f"sentinel://{user}{_bracketed(host)}:{port}/{database}" for host, port in url.sentinels)
    scheme = "rediss" if url.is_tls else "redis"
    return f"{scheme}://{user}{_bracketed(server.get('host', 'localhost'))}:{server.get('port', 6379)}/{database}"


def _quoted(word: str | None) -> str:
    return quote(word or "", safe="")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _starting_with(prefix: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name.startswith(prefix)}

"""Clients of Redis: of one server, or of the primary that Sentinels name.

Every connection leaves a server that turns out to be no primary, so that the next try asks again which one is:
the Sentinels, or the name in the URL, which a managed Redis points to another server.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import MasterDownError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection, SentinelManagedSSLConnection

from jobs.redis_url import RedisUrl

# A Sentinel that is down shall not keep anyone from asking the next one.
_SENTINEL_SECONDS = 1.0
_REFUSALS = (redis.ReadOnlyError, MasterDownError)
# How a script of Redis 6 tells of the first one, inside other words.
_REFUSED_SCRIPT = "-READONLY"


class _LeavesReplicas:
    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """What the server answers. Raises redis.ConnectionError when it says that it is a replica."""
        try:
            return super().read_response(*arguments, **options)  # type: ignore[misc]
        except redis.ResponseError as error:
            if not isinstance(error, _REFUSALS) and _REFUSED_SCRIPT not in str(error):
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise redis.ConnectionError(f"no primary: {error}") from error


class _Connection(_LeavesReplicas, redis.Connection):
    pass


class _SslConnection(_LeavesReplicas, redis.SSLConnection):
    pass


class _UnixConnection(_LeavesReplicas, redis.UnixDomainSocketConnection):
    pass


class _SentinelConnection(_LeavesReplicas, SentinelManagedConnection):
    def connect_to(self, address: tuple[str, int]) -> None:
        """Connect to the primary that a Sentinel names.

        Raises redis.ConnectionError when that is a replica: a Sentinel may be the last to hear of a failover, and who
        only reads would stay for ever.
        """
        super().connect_to(address)  # type: ignore[no-untyped-call]
        self.send_command("ROLE")  # type: ignore[no-untyped-call]
        with suppress(redis.ResponseError):  # not every user may ask
            role = self.read_response()[0]
            if role not in (b"master", "master"):
                self.disconnect()  # type: ignore[no-untyped-call]
                raise redis.ConnectionError(f"{address[0]}:{address[1]} is no primary")


class _SentinelSslConnection(_SentinelConnection, SentinelManagedSSLConnection):
    pass


class _BlockingSentinelPool(SentinelConnectionPool, redis.BlockingConnectionPool):
    pass


_CONNECTIONS = {
    redis.Connection: _Connection,
    redis.SSLConnection: _SslConnection,
    redis.UnixDomainSocketConnection: _UnixConnection,
}


def redis_client(url: str, ca: Path | None = None, *, blocking: bool = False, **options: Any) -> redis.Redis:
    """A client of the Redis at `url`; nothing is connected yet.

    `ca` is a file with the authorities to trust in place of the system's. With `blocking`, callers wait for a
    connection while all are in use. `options` are redis-py's, for a pool and its connections; what the URL says beats
    them. Raises ValueError for a bad URL.
    """
    parsed = RedisUrl.parse(url)
    server, sentinel = connection_options(parsed, ca)
    kind = _CONNECTIONS[server.pop("connection_class", redis.Connection)]
    options = {**options, **server}
    if parsed.sentinels:
        kind = _SentinelSslConnection if parsed.is_tls else _SentinelConnection
        sentinels = Sentinel(parsed.sentinels, sentinel_kwargs=sentinel)  # type: ignore[no-untyped-call]
        sentinel_pool = _BlockingSentinelPool if blocking else SentinelConnectionPool
        return redis.Redis.from_pool(
            sentinel_pool(parsed.primary, sentinels, connection_class=kind, **options)  # type: ignore[no-untyped-call]
        )
    pool = redis.BlockingConnectionPool if blocking else redis.ConnectionPool
    return redis.Redis.from_pool(pool(connection_class=kind, **options))


def connection_options(url: RedisUrl, ca: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """redis-py's options for connections to the server, and for those to a Sentinel.

    The URL's query holds any of them, `sentinel_username` and `sentinel_password` too. Raises ValueError.
    """
    server = parse_url(url.server)  # type: ignore[no-untyped-call]
    sentinel = {name: server.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    sentinel |= {"socket_timeout": _SENTINEL_SECONDS, "socket_connect_timeout": _SENTINEL_SECONDS}
    sentinel["retry"] = Retry(NoBackoff(), 0)
    if url.sentinels:
        server.pop("host")
    if url.is_tls:
        if ca:
            server["ssl_ca_certs"] = str(ca)
        sentinel |= {"ssl": True, **{name: value for name, value in server.items() if name.startswith("ssl_")}}
    return server, sentinel

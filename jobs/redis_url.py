"""The URL of a Redis: of one server as redis-py reads it, or of the Sentinels that know which server is the primary.

redis://[user:password@]host[:port][/db]     rediss:// the same over TLS     unix://[user:password@]/path[?db=0]
redis+sentinel://[user:password@]host[:port][,host[:port]...]/primary[/db]   rediss+sentinel:// the same over TLS
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator

FORMS = "redis://host/0, rediss://host/0, unix:///path or redis+sentinel://host:26379,host:26379/primary/0"
_SENTINEL_PORT = 26379
_SERVER = re.compile(r"(rediss?|unix)://")
_DATABASE = re.compile(r"(/\d*)?/?")
_SENTINELS = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://(?P<user>[^@/]*@)?(?P<hosts>[^@/?]+)"
    r"/(?P<primary>[^/?]+)(?P<db>/\d+)?/?(?P<query>\?.*)?"
)


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """`server` is a URL of one server; with Sentinels, only what it says beside its host is of use.

    `primary` is the name by which the Sentinels, pairs of host and port, know the primary.
    """

    server: str
    sentinels: tuple[tuple[str, int], ...] = ()
    primary: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises ValueError, which names the forms that a URL may have, and never the URL: it may hold a password."""
        if _SERVER.match(url):
            _check_server(url)
            return cls(url)
        parts = _SENTINELS.fullmatch(url)
        if not parts:
            raise ValueError(f"must be like {FORMS}")
        sentinels = tuple(_host_and_port(place) for place in parts["hosts"].split(","))
        rest = f"{parts['db'] or ''}{parts['query'] or ''}"
        return cls(f"{parts['scheme']}://{parts['user'] or ''}sentinel{rest}", sentinels, unquote(parts["primary"]))

    @property
    def is_tls(self) -> bool:
        """Whether connections are encrypted, and certificates are checked."""
        return self.server.startswith("rediss://")

    @property
    def place(self) -> str:
        """Where it is, as it may be shown: without a password."""
        if self.sentinels:
            return f"{self.primary} of the Sentinels " + ",".join(f"{host}:{port}" for host, port in self.sentinels)
        parts = urlsplit(self.server)
        return parts.netloc.rpartition("@")[2] or parts.path


def has_host_and_port(place: str) -> bool:
    """Whether what stands behind `//` in a URL names a host, and a port that there can be or none."""
    try:
        parts = urlsplit(f"//{place}")
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_server(url: str) -> None:
    """Raise ValueError for what redis-py would read as another server, or another database, than was meant."""
    scheme, _, rest = url.partition("://")
    parts = urlsplit(f"//{rest}")
    bad = not parts.path if scheme == "unix" else not has_host_and_port(rest) or not _DATABASE.fullmatch(parts.path)
    if bad:
        raise ValueError(f"must be like {FORMS}")


def _host_and_port(place: str) -> tuple[str, int]:
    parts = urlsplit(f"//{place}")
    if not parts.hostname:
        raise ValueError(f"a Sentinel has no host; must be like {FORMS}")
    return parts.hostname, parts.port or _SENTINEL_PORT


def _checked(url: str) -> str:
    RedisUrl.parse(url)
    return url


def _checked_broker(url: str) -> str:
    return url if not url or url.startswith(("amqp://", "amqps://")) else _checked(url)


# As settings: the one of a Redis, and the one of a broker, which may be RabbitMQ or none.
RedisLocation = Annotated[str, AfterValidator(_checked)]
BrokerLocation = Annotated[str, AfterValidator(_checked_broker)]

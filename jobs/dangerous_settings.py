"""Settings that open Penstock to others by mistake: the processes of a deployment do not start with them."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from jobs.errors import BadSetting
from jobs.settings import LOOPBACK, Settings

_MIN_SECRET_CHARACTERS = 32
_MIN_DIFFERENT_CHARACTERS = 8
# What examples and images have for a password; whoever reaches the server tries these first.
_WELL_KNOWN = frozenset(
    {"admin", "change-me", "changeme", "default", "demo", "example", "foobared", "guest", "pass", "passwd", "password"}
    | {"penstock", "postgres", "postgresql", "redis", "root", "secret", "test", "valkey"}
)
_PLACEHOLDERS = ("change", "example", "password", "placeholder", "secret")


def refuse_dangerous(settings: Settings, hosts: Collection[str] = ()) -> None:
    """Raise BadSetting, one line that says why, when a setting opens what others can reach.

    `hosts` are the addresses on which this process listens. One that is not of this machine alone makes it a
    deployment, and so does a Redis or a database elsewhere.
    """
    public = [host for host in hosts if not _is_local(host)]
    elsewhere = [*public, *(host for _, url in _urls(settings) for host in _hosts_of(url))]
    if public and settings.auth == "off":
        raise BadSetting(
            f"{public[0]} can be reached from outside and PENSTOCK_AUTH is off: set PENSTOCK_AUTH=keys and make a key "
            "with `penstock keys create NAME`, or listen on 127.0.0.1"
        )
    _refuse_open_redis(settings)
    _refuse_well_known_secrets(settings)
    if elsewhere and settings.flask_debug:
        raise BadSetting("FLASK_DEBUG is set: errors would show others what is inside. Unset it.")
    if elsewhere and settings.log_level == "debug":
        raise BadSetting(
            "PENSTOCK_LOG_LEVEL=debug is for one machine: libraries log what they send, texts among it. Set info."
        )


def _refuse_open_redis(settings: Settings) -> None:
    for name, url in _urls(settings)[:2]:
        hosts = _hosts_of(url)
        kind = "broker" if url.startswith("amqp") else "Redis"
        if hosts and not _password_of(url) and not settings.redis_without_password:
            raise BadSetting(
                f"{name}: the {kind} at {hosts[0]} is asked without a password: whoever reaches it could read and "
                "forge what it carries. Give it one (requirepass, or ACL) and name it in the URL, or with "
                "PENSTOCK_REDIS_PASSWORD_FILE; PENSTOCK_REDIS_WITHOUT_PASSWORD=true says that nobody else can reach it."
            )


def _refuse_well_known_secrets(settings: Settings) -> None:
    for name, url in _urls(settings):
        if _hosts_of(url) and _password_of(url).lower() in _WELL_KNOWN:
            raise BadSetting(f"{name}: its password is one that everybody tries; `openssl rand -hex 32` makes one.")
    secret = settings.secret
    if not secret:
        return
    if len(secret) < _MIN_SECRET_CHARACTERS:
        problem = f"has {len(secret)} characters; it needs {_MIN_SECRET_CHARACTERS} or more"
    elif len(set(secret)) < _MIN_DIFFERENT_CHARACTERS or any(word in secret.lower() for word in _PLACEHOLDERS):
        problem = "is a placeholder: whoever guesses it can sign in as anybody"
    else:
        return
    raise BadSetting(f"PENSTOCK_SECRET {problem}. `openssl rand -hex 32` makes one.")


def _urls(settings: Settings) -> list[tuple[str, str]]:
    return [
        ("PENSTOCK_REDIS_URL", settings.redis_url),
        ("PENSTOCK_BROKER_URL", settings.broker_url),
        ("PENSTOCK_DATABASE_URL", settings.database),
    ]


def _password_of(url: str) -> str:
    return unquote(urlsplit(url).netloc.rpartition("@")[0].partition(":")[2])


def _hosts_of(url: str) -> list[str]:
    """The hosts in a URL that are not this machine; Sentinels are several, separated by commas."""
    places = urlsplit(url).netloc.rpartition("@")[2].split(",")
    hosts = (urlsplit(f"//{place}").hostname or "" for place in places)
    return [host for host in hosts if host and not _is_local(host)]


def _is_local(host: str) -> bool:
    try:
        return host in LOOPBACK or ip_address(host).is_loopback
    except ValueError:
        return False

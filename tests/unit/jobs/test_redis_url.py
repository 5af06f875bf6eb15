"""The forms of a Redis URL, what clients and the broker make of them, and what may be shown of them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import BadSetting
from jobs.redis_url import RedisUrl
from jobs.settings import Settings
from jobs.transport.broker import broker_settings

SENTINELS = "redis+sentinel://me:p%40ss@one:1,two,[::1]:3/jobs/2?sentinel_password=lions"


def test_sentinels_are_several_places() -> None:
    url = RedisUrl.parse(SENTINELS)
    assert url.sentinels == (("one", 1), ("two", 26379), ("::1", 3))
    assert (url.primary, url.is_tls) == ("jobs", False)
    assert url.place == "jobs of the Sentinels one:1,two:26379,::1:3"
    assert RedisUrl.parse("rediss+sentinel://one/jobs").is_tls


@pytest.mark.parametrize(
    ("url", "place"),
    [("redis://:tigers@host:1/0", "host:1"), ("unix://:tigers@/run/redis.sock?db=1", "/run/redis.sock")],
)
def test_a_place_has_no_password(url: str, place: str) -> None:
    assert RedisUrl.parse(url).place == place


@pytest.mark.parametrize(
    "url",
    [
        *(
            "host:6379",
            "http://host",
            "redis://",
            "redis://:tigers@/0",
            "redis://h:port/0",
            "redis://h/zero",
            "unix://",
        ),
        *("redis+sentinel://host", "redis+sentinel://:tigers@/jobs", "redis+sentinel://a,/b"),
    ],
)
@pytest.mark.parametrize("name", ["redis_url", "broker_url"])
def test_a_bad_url_is_named_with_the_forms_and_without_its_password(name: str, url: str) -> None:
    with pytest.raises(BadSetting, match=rf"^PENSTOCK_{name.upper()}: .*redis\+sentinel://") as caught:
        Settings.load(**{name: url})
    assert "tigers" not in str(caught.value)


def test_a_ca_that_is_not_there_is_named() -> None:
    with pytest.raises(BadSetting, match="^PENSTOCK_REDIS_CA: "):
        Settings.load(redis_ca="/nowhere/ca.pem")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host", "redis://:@host:6379/0"),
        ("rediss://me:p%40ss@host:1/2", "rediss://me:p%40ss@host:1/2"),
        ("redis://[::1]:1/2", "redis://:@[::1]:1/2"),
        ("unix://:p%40ss@/run/redis.sock?db=3", "redis+socket://:p%40ss@/run/redis.sock?virtual_host=3"),
        (SENTINELS, ";".join(f"sentinel://me:p%40ss@{place}/2" for place in ("one:1", "two:26379", "[::1]:3"))),
        ("amqp://me:p%40ss@host/vhost", "amqp://me:p%40ss@host/vhost"),
    ],
)
def test_the_broker_has_a_spelling_of_its_own(url: str, expected: str) -> None:
    assert broker_settings(Settings.load(broker_url=url), 3)["broker_url"] == expected


@pytest.mark.parametrize("url", ["rediss://host", "rediss+sentinel://host/jobs", "amqps://host"])
def test_the_broker_checks_certificates(url: str, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    said: dict[str, Any] = broker_settings(Settings.load(broker_url=url, redis_ca=ca), 3)["broker_use_ssl"]
    assert ssl.CERT_REQUIRED in (said.get("ssl_cert_reqs"), said.get("cert_reqs"))
    assert said.get("ssl_ca_certs") == (None if url.startswith("amqp") else str(ca))


@pytest.mark.parametrize("url", ["redis://host", SENTINELS, "amqp://host"])
def test_no_broker_is_waited_for_longer_than_that(url: str) -> None:
    options: dict[str, Any] = broker_settings(Settings.load(broker_url=url), 3)["broker_transport_options"]
    limits = {name: seconds for name, seconds in options.items() if name in ("socket_timeout", "read_timeout")}
    assert list(limits.values()) == [3]

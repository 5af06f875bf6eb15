"""Keys and passwords are taken out of words, in whatever form a server or a library quotes them."""

from __future__ import annotations

import base64
import time

import pytest

from jobs.secrets import Secrets
from jobs.settings import Settings

KEY, PASSWORD = "a-key-of-the-owner-0815", "p%40ssword"
SETTINGS = Settings.load(
    openai_api_key=KEY,
    openai_base_url=f"http://me:{PASSWORD}@host:8/v1",
    redis_url="redis+sentinel://:tigers99@redis:6379/jobs/0?sentinel_password=lions99",
    broker_url="amqp://me:bears99@rabbit/",
)


@pytest.mark.parametrize(
    "words",
    [
        f"Incorrect API key provided: {KEY}.",
        f"Authorization: Bearer {KEY}",
        f"cannot reach http://me:{PASSWORD}@host:8/v1/models",
        "cannot reach http://someone:else@other/v1",
        "http://token-only@other/v1 is gone",
        "the password p@ssword is wrong",
        "Basic " + base64.b64encode(b"me:p@ssword").decode(),
        "redis://:tigers99@redis:6379/0 refused tigers99",
        "lions99 and bears99 are wrong",
        "your key sk-proj-abcdefghijklmnop1234 is spent",
    ],
)
def test_a_secret_is_taken_out(words: str) -> None:
    clean = Secrets(SETTINGS).removed_from(words)
    for secret in (KEY, PASSWORD, "p@ssword", "someone", "token-only", "tigers99", "lions99", "bears99", "sk-proj"):
        assert secret not in clean
    assert base64.b64encode(b"me:p@ssword").decode() not in clean


def test_other_words_stay() -> None:
    words = "The model `demo` does not exist; see https://example.com/docs and mail me@example.com. sk-1"
    assert Secrets(Settings.load(openai_api_key="demo")).removed_from(words) == words


def test_hostile_words_take_no_time() -> None:
    begun = time.monotonic()
    for words in ("://" * 70_000, "://a:" * 40_000, "sk-" * 70_000, "@" * 200_000, "Bearer " * 30_000, "a" * 200_000):
        Secrets(SETTINGS).removed_from(words)
    assert time.monotonic() - begun < 5

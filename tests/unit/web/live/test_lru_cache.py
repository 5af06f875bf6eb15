"""What is kept is made once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from web.live.lru_cache import LruCache


class _Key(str):
    """A key that tells when it is looked up."""

    __slots__ = ("looked_up",)

    def __init__(self, _: str) -> None:
        self.looked_up = threading.Event()

    def __hash__(self) -> int:
        self.looked_up.set()
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)


def test_many_who_ask_at_once_have_it_made_once() -> None:
    cache: LruCache[str] = LruCache(100, len)
    made: list[str] = []
    begun, may_end = threading.Event(), threading.Event()

    def make() -> str:
        made.append("text")
        begun.set()
        assert may_end.wait(10)
        return "text"

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "key", make)
        assert begun.wait(10)
        other = _Key("key")
        second = pool.submit(cache.get, other, make)
        assert other.looked_up.wait(10)
        may_end.set()
        assert [first.result(10), second.result(10)] == ["text", "text"]
    assert made == ["text"]


def test_what_could_not_be_made_is_tried_again() -> None:
    cache: LruCache[str] = LruCache(100, len)
    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: str(1 // 0))
    assert cache.get("key", lambda: "text") == "text"

"""Whatever one body contains, others are answered meanwhile."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.stack import Stack
from tests.support.wire import request

# Seconds; twice what is promised, for a machine that is busy.
_LONGEST = 0.4
pytestmark = pytest.mark.exclusive


def longest_wait(penstock: Stack, path: str, body: bytes | None = None) -> float:
    """Seconds that `/healthz` took at most while this was asked."""
    with ThreadPoolExecutor(1) as pool:
        attack = pool.submit(_ask, penstock, path, body)
        waits = []
        while not attack.done():
            began = time.monotonic()
            _ask(penstock, "/healthz", None)
            waits.append(time.monotonic() - began)
        attack.result()
    return max(waits)


def _ask(penstock: Stack, path: str, body: bytes | None) -> bytes:
    with request(penstock.url, path, method="POST" if body else "GET", body=body) as answer:
        return answer.read()


def test_a_schema_of_many_parts_keeps_nobody_waiting(penstock: Stack) -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(990)}}
    form = {"type": "json_schema", "name": "wide", "schema": schema}
    body = json.dumps({"input": "Hello [[demo tokens=2]]", "background": True, "text": {"format": form}}).encode()
    longest = longest_wait(penstock, "/v1/responses", body)
    assert longest < _LONGEST

"""Whatever one body contains, others are answered meanwhile."""

from __future__ import annotations

import pytest

from tests.support.bystander import Bystander
from tests.support.stack import Stack
from tests.support.wire import create

# Seconds; twice what is promised, for a machine that is busy.
LONGEST = 2 * 0.2
# Half a second's work: no name may stand there twice.
SCHEMA = {"required": [f"v{n}" for n in range(150_000)]}


@pytest.mark.exclusive
def test_a_schema_keeps_nobody_waiting(penstock: Stack) -> None:
    bystander = Bystander(penstock.url)
    with bystander.watching():
        for _ in range(3):
            form = {"type": "json_schema", "name": "wide", "schema": SCHEMA}
            create(penstock.url, input="Hello [[demo tokens=2]]", text={"format": form})
    assert bystander.longest < LONGEST

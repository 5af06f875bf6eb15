"""Other clients than OpenAI's own: what each has of an answer, a stream, a thought, tools, formats, turns and images.

The ordinary run takes a few; `--clients` takes all.
"""

from __future__ import annotations

import pytest

from tests.clients.others import results
from tests.clients.others.parts import FEATURES
from tests.clients.others.results import CLIENTS, Client
from tests.support.environments import Parts
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(600)  # an environment may have to be made first

CHOSEN = ("ai-sdk-7", "pydantic-ai")


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    """Each client; most of them when they are asked for."""
    if request.param not in CHOSEN and not request.config.getoption("--clients"):
        pytest.skip("runs with --clients")
    return CLIENTS[request.param]


@pytest.fixture(scope="module")
def seen(client: Client, penstock: Stack) -> Parts:
    """What its program saw."""
    return client.seen(penstock.url)


@pytest.mark.parametrize("feature", FEATURES)
def test_what_a_client_has_works(seen: Parts, feature: str) -> None:
    if feature not in seen:
        pytest.skip("the client has no such thing")
    assert results.verdicts(seen)[feature], seen[feature]


def test_the_table_says_so(client: Client, seen: Parts) -> None:
    assert results.row(client, seen) in results.rows_of_the_document()

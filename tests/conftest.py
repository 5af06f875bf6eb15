"""What all folders share: whose turn it is, and one running Penstock for tests that break nothing."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import openai
import pytest
from hypothesis import settings

from tests.support.exclusive import Turns
from tests.support.stack import Stack, running_stack

_turns = Turns()
# A busy machine takes longer over an example than hypothesis allows by default: no test of texts promises a time.
settings.register_profile("penstock", deadline=None)
settings.load_profile("penstock")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Slow kinds of tests by flag."""
    parser.addoption("--soak", action="store_true", help="also the stalls of the database that take minutes to try")
    parser.addoption("--clients", action="store_true", help="all clients, of which the ordinary run takes a few")
    parser.addoption("--attempt-runs", help="how many runs the machine of attempts takes (default: a short choice)")


def pytest_configure(config: pytest.Config) -> None:
    """Let a Ctrl-C reach what tests start, also where they run in the background of a shell, which ignores it.

    `--clients` without a path is the tests of clients.
    """
    if config.getoption("--clients") and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = ["tests/clients"]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Begin a test when it is its turn. First of all hooks: its time limit counts from then."""
    with _turns.turn(exclusive=_is_exclusive(item), next_exclusive=_is_exclusive(nextitem)):
        return (yield)


def _is_exclusive(item: pytest.Item | None) -> bool:
    return item is not None and item.get_closest_marker("exclusive") is not None


@pytest.fixture(scope="session")
def penstock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running Penstock: one worker, one web process, the scripted model as fast as it can."""
    with running_stack(tmp_path_factory.mktemp("penstock") / "data") as running:
        yield running


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A Penstock of the test's own, to be broken."""
    with running_stack(tmp_path / "data") as running:
        yield running


@pytest.fixture
def client(penstock: Stack) -> Iterator[openai.OpenAI]:
    """The official client, pointed at the shared Penstock."""
    with penstock.client() as made:
        yield made

"""What the launcher takes for a process that stands still."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.launch.watchdog import Watchdog


@pytest.fixture
def watchdog(tmp_path: Path) -> Watchdog:
    return Watchdog(tmp_path / "heartbeat", 5)


def touch(watchdog: Watchdog, at: int) -> None:
    os.utime(watchdog.file, (at, at))


def looks(watchdog: Watchdog, since: float, until: float) -> bool:
    """The last of the looks that a launcher takes twice a second."""
    frozen = False
    while since <= until:
        frozen = watchdog.is_frozen(since)
        since += 0.5
    return frozen


def test_one_that_is_starting_is_not_frozen(watchdog: Watchdog) -> None:
    assert not looks(watchdog, 0, 60)


def test_one_that_touches_its_file_no_more_is_frozen(watchdog: Watchdog) -> None:
    touch(watchdog, 1)
    assert not looks(watchdog, 100, 105)
    touch(watchdog, 2)
    assert not looks(watchdog, 105.5, 110)
    assert looks(watchdog, 110.5, 111)


def test_the_next_process_starts_anew(watchdog: Watchdog) -> None:
    touch(watchdog, 1)
    assert looks(watchdog, 100, 106)
    watchdog.begin()
    assert not looks(watchdog, 106, 160)


def test_a_launcher_that_stood_still_itself_waits_anew(watchdog: Watchdog) -> None:
    touch(watchdog, 1)
    assert not looks(watchdog, 100, 101)
    assert not watchdog.is_frozen(4000)
    assert not looks(watchdog, 4000.5, 4005)
    assert looks(watchdog, 4005.5, 4006)


def test_a_file_that_somebody_removed_tells_nothing_until_it_is_made_again(watchdog: Watchdog) -> None:
    touch(watchdog, 1)
    assert not looks(watchdog, 100, 101)
    watchdog.file.unlink()
    assert not looks(watchdog, 101.5, 160)
    watchdog.file.touch()
    assert not looks(watchdog, 160.5, 165)
    assert looks(watchdog, 165.5, 166)

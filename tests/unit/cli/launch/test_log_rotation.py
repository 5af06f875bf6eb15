"""Logs that a real process goes on writing to while they are rotated."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.launch.log_rotation import begin_log, older_log, rotate_log
from tests.support.small_disk import small_disk
from tests.support.up import eventually

ECHO = "while read -r line; do echo $line; done"
COUNT = "n=0; while true; do n=$((n+1)); echo line $n; done"


@contextmanager
def writing(log: Path, script: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that appends to a log, as a child of `up` does."""
    begin_log(log)
    with log.open("ab") as file:
        process = subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=file, bufsize=0)
    with process:
        try:
            yield process
        finally:
            process.kill()


def say(process: subprocess.Popen[bytes], log: Path, line: bytes) -> None:
    """Let the process write a line, and wait until it is there."""
    assert process.stdin
    process.stdin.write(line + b"\n")
    eventually(lambda: log.read_bytes().endswith(line + b"\n"))


def test_what_was_written_goes_to_the_older_log_and_writing_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with writing(log, ECHO) as process:
        for number in (b"one", b"two"):
            say(process, log, number)
        rotate_log(log, 8)
        assert log.read_bytes() == b"one\ntwo\n"  # as long as it may be
        rotate_log(log, 7)
        assert (older_log(log).read_bytes(), log.read_bytes()) == (b"one\ntwo\n", b"")
        say(process, log, b"three")
        assert log.read_bytes() == b"three\n"  # at its beginning, not behind a hole
        rotate_log(log, 1)
        assert older_log(log).read_bytes() == b"three\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["web.log", "web.log.1"]


def test_lines_stay_whole_and_in_order_while_a_process_writes_without_a_pause(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with writing(log, COUNT):
        for _ in range(10):
            eventually(lambda: log.stat().st_size > 1000)
            rotate_log(log, 1000)
        eventually(lambda: log.stat().st_size > 0)
    # The copy may end in the middle of what was being written; the rest of that goes with the truncation.
    lines = [*older_log(log).read_text().splitlines()[:-1], *log.read_text().splitlines()]
    numbers = [int(line.removeprefix("line ")) for line in lines]
    assert numbers == sorted(set(numbers))


def test_a_log_on_a_full_disk_begins_anew_without_a_copy(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=4) as disk:
        log = disk.path / "web.log"
        with writing(log, ECHO) as process:
            say(process, log, b"x" * 15_000)
            disk.fill()
            rotate_log(log, 10_000)
            assert not older_log(log).exists()
            say(process, log, b"it goes on")
            assert log.read_bytes() == b"it goes on\n"


def test_a_log_that_somebody_removed_is_left_alone(tmp_path: Path) -> None:
    rotate_log(tmp_path / "web.log", 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [b"of the last start", b""])
def test_the_log_of_the_last_start_is_the_older_one(tmp_path: Path, before: bytes) -> None:
    log = tmp_path / "web.log"
    log.write_bytes(before)
    begin_log(log)
    assert (older_log(log).read_bytes(), log.read_bytes()) == (before, b"")

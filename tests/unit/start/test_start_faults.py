"""start.py when a set-up fails, is slow, is killed, or is begun twice."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.support.checkout import PROJECT, RUNTIME, VENV, Checkout, let_through

OFFLINE = "no route to the index\n"


def test_a_failure_ends_with_the_reason_and_the_next_start_begins_afresh(checkout: Checkout) -> None:
    broken = checkout.write("uv.broken", OFFLINE)
    failed = checkout.start()
    assert failed.returncode == 1
    assert failed.stderr.rstrip().endswith("no route to the index")
    assert "exit code 3" in failed.stderr
    assert "Can the package index be reached?" in failed.stderr
    assert failed.stdout == ""

    broken.unlink()
    checkout.calls()
    assert checkout.start().stdout == "penstock up\n"
    assert checkout.calls() == [VENV, RUNTIME, PROJECT]


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_a_set_up_that_fails_leaves_the_environment_that_works(checkout: Checkout, changed: str) -> None:
    checkout.start()
    checkout.write(changed, "# other\n")
    broken = checkout.write("uv.broken", OFFLINE)
    for _ in range(2):
        failed = checkout.start("list")
        assert (failed.returncode, failed.stdout) == (0, "penstock list\n")
        assert "no route to the index\nGoing on with the .venv that is there" in failed.stderr

    broken.unlink()
    assert checkout.start("list").stdout == "penstock list\n"
    assert "Going on" not in checkout.start("list").stderr


def test_tests_that_cannot_be_set_up_leave_what_penstock_needs(checkout: Checkout) -> None:
    checkout.start()
    checkout.write("uv.broken", OFFLINE)
    assert checkout.start("test").returncode == 1
    checkout.calls()
    assert checkout.start("list").stdout == "penstock list\n"


def test_what_is_built_beside_holds_the_path_that_it_gets(checkout: Checkout) -> None:
    checkout.start()
    places = [checkout.root / ".venv" / name for name in ("pyvenv.cfg", "bin/penstock", "bin/python")]
    assert [f"{checkout.root}/.venv" in place.read_text() for place in places] == [True] * 3
    assert [".venv.new" in place.read_text() for place in places] == [False] * 3
    assert sorted(path.name for path in checkout.root.glob(".venv*")) == [".venv"]


def test_a_start_killed_between_the_two_renames_is_mended(checkout: Checkout) -> None:
    checkout.start()
    checkout.calls()
    (checkout.root / ".venv").rename(checkout.root / ".venv.old")
    assert checkout.start("list").stdout == "penstock list\n"
    assert checkout.calls() == []


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("error: failed to create directory: Permission denied (os error 13)", "no permission to write there"),
        ("PermissionError: [Errno 13] '/x'", "no permission to write there"),
        ("OSError: [Errno 30] Read-only file system: '/x'", "no permission to write there"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
    ],
)
def test_a_fault_that_is_not_the_networks_is_called_what_it_is(checkout: Checkout, output: str, cause: str) -> None:
    checkout.write("uv.broken", output)
    failed = checkout.start()
    assert failed.returncode == 1
    assert f"{checkout.root}: {cause}" in failed.stderr
    assert "index" not in failed.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_named(checkout: Checkout) -> None:
    checkout.root.chmod(0o500)
    failed = checkout.start()
    checkout.root.chmod(0o700)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "no permission to write there" in failed.stderr


def test_a_slow_step_says_how_far_it_is(checkout: Checkout, gate: Path) -> None:
    with checkout.launch() as slow:
        assert slow.stderr is not None
        slow.stderr.readline()
        with gate.open("w") as pipe:
            assert re.fullmatch(r" +\d+ s  \.\.\.\n", slow.stderr.readline())
            gate.unlink()
            pipe.write("go\n")
        assert slow.communicate(timeout=60)[0] == "penstock up\n"


def test_two_starts_at_once_set_up_once(checkout: Checkout, gate: Path) -> None:
    with checkout.launch("one") as one, checkout.launch("two") as two:
        assert one.stderr is not None
        assert two.stderr is not None
        said = {one.stderr.readline(), two.stderr.readline()}
        setting_up, waiting = sorted(said)
        assert re.fullmatch(r"Setting up \.venv \(once, .+\) \.\.\.\n", setting_up)
        assert waiting == "Waiting for another start to finish setting up .venv ...\n"
        let_through(gate)
        assert one.communicate(timeout=60)[0] == "penstock one\n"
        assert two.communicate(timeout=60)[0] == "penstock two\n"
    assert checkout.calls() == [VENV, RUNTIME, PROJECT]


def test_a_killed_set_up_is_waited_for_and_done_again(checkout: Checkout, gate: Path) -> None:
    with checkout.launch() as killed:
        assert killed.stderr is not None
        killed.stderr.readline()
        pipe = gate.open("w")  # opens when uv stands at the other end
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        with pipe, checkout.launch("again") as again:
            assert again.stderr is not None
            assert again.stderr.readline().startswith("Waiting for another start")
            gate.unlink()
            pipe.write("go\n")
            pipe.flush()
            assert again.communicate(timeout=60)[0] == "penstock again\n"
    assert checkout.calls() == [VENV, VENV, RUNTIME, PROJECT]

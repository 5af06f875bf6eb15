"""The supervisor with real processes: restart, giving up, ending in order, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cli.launch.supervisor import Child, ChildFailed, Supervisor

ROOT = Path(__file__).resolve().parents[4]

# What `up` does with a supervisor, with shells for children. Arguments: log directory, one script a child.
LAUNCHER = """
import signal, sys
from pathlib import Path
from cli.launch.supervisor import Child, Supervisor
signal.signal(signal.SIGTERM, signal.default_int_handler)
with Supervisor() as supervisor:
    for number, script in enumerate(sys.argv[2:]):
        log = Path(sys.argv[1]) / f"{number}.log"
        supervisor.start(Child(str(number), ["/bin/sh", "-c", script], {}, log))
    try:
        print(*(child.process.pid for child in supervisor.children), flush=True)
        supervisor.keep(on_death=str)
    except KeyboardInterrupt:
        supervisor.stop()
"""
SLEEP = "exec sleep 600"
STUBBORN = "trap '' TERM; echo up; sleep 600 & while true; do wait; done"


class Launcher:
    """A launcher in a process of its own, and the pids of its children."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.process = process
        self.children = [int(word) for word in process.stdout.readline().split()]
        self.group = os.getpgid(self.children[0])

    def living(self) -> list[int]:
        """Every process of the children's group, grandchildren and sentinel included."""
        return [process.pid for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            ours = os.getpgid(process.pid) == self.group
            return ours and process.status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False


@contextmanager
def launch(logs: Path, *scripts: str) -> Iterator[Launcher]:
    command = [sys.executable, "-c", LAUNCHER, str(logs), *scripts]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield Launcher(process)
        finally:
            process.kill()


def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def shell(tmp_path: Path, script: str, *, name: str = "child", grace: float = 5) -> Child:
    return Child(name, ["/bin/sh", "-c", script], {}, tmp_path / f"{name}.log", grace=grace)


def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    with launch(tmp_path, SLEEP, SLEEP) as launcher:
        dead, other = launcher.children
        os.kill(dead, signal.SIGKILL)
        eventually(lambda: dead not in launcher.living() and len(launcher.living()) == 3)
        assert other in launcher.living()


def test_five_deaths_in_a_minute_are_too_many(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.start(shell(tmp_path, "echo my last words; exit 3", name="weak"))
        with pytest.raises(ChildFailed, match=r"weak died five times in a minute, at last with exit 3") as failure:
            supervisor.keep(on_death=str)
    assert failure.value.tail == "my last words\n" * 5
    assert (tmp_path / "weak.log").read_text().count("my last words") == 5


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_launcher(tmp_path: Path, number: signal.Signals) -> None:
    with launch(tmp_path, "sleep 600 & exec sleep 600", "sleep 600 | sleep 600") as launcher:
        assert launcher.group != os.getpgid(launcher.process.pid)
        launcher.process.send_signal(number)
        eventually(lambda: not launcher.living())


def test_a_second_signal_ends_everything_at_once(tmp_path: Path) -> None:
    with launch(tmp_path, STUBBORN) as launcher:
        eventually(lambda: (tmp_path / "0.log").read_text() == "up\n")
        launcher.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            launcher.process.wait(0.5)  # it is waiting for the child, which will not go
        launcher.process.send_signal(signal.SIGTERM)
        launcher.process.wait(3)
        eventually(lambda: not launcher.living())


def test_a_child_that_outlasts_its_grace_is_killed(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.start(child := shell(tmp_path, STUBBORN, grace=0.2))
        eventually(lambda: child.log.read_text() == "up\n")
        supervisor.stop()
        assert child.exit_reason() == "SIGKILL"


def test_stages_end_in_reverse_order(tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    script = f"trap 'sleep 0.2; echo %s >> {ends}; exit' TERM; echo up; while true; do sleep 0.05; done"
    with Supervisor() as supervisor:
        for name in ("first", "second", "third"):
            supervisor.start(child := shell(tmp_path, script % name, name=name))
            supervisor.wait_until(lambda child=child: child.log.read_text() == "up\n", child, 5)  # type: ignore[misc]
        supervisor.stop()
    assert ends.read_text().split() == ["third", "second", "first"]


def test_a_child_that_ends_while_starting_is_a_failure(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.start(child := shell(tmp_path, "seq 1 30; exit 7"))
        with pytest.raises(ChildFailed, match="ended while starting .exit 7.; its log is") as failure:
            supervisor.wait_until(lambda: False, child, 10)
    assert failure.value.tail.split() == [str(number) for number in range(11, 31)]


def test_a_child_that_is_never_ready_is_a_failure(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.start(child := shell(tmp_path, SLEEP))
        with pytest.raises(ChildFailed, match="was not ready after 0 s"):
            supervisor.wait_until(lambda: False, child, 0.1)


def test_pauses_double_and_a_long_life_is_forgiven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    child = shell(tmp_path, SLEEP)
    pauses = []
    for life in (1, 1, 1, 1, 61, 30, 61):
        now += life
        pauses.append(child.record_death())
    assert pauses == [0.1, 0.2, 0.4, 0.8, 0.1, 0.2, 0.1]


def test_each_life_of_a_worker_has_an_id_of_its_own_and_is_mourned(tmp_path: Path) -> None:
    dead: list[str] = []
    log = tmp_path / "up-1.log"
    argv = ["/bin/sh", "-c", "echo $PENSTOCK_WORKER_ID; exit 1"]
    with Supervisor() as supervisor:
        supervisor.start(Child("up-1", argv, {}, log))
        with pytest.raises(ChildFailed):
            supervisor.keep(on_death=dead.append)
    assert dead == log.read_text().split()
    assert len(set(dead)) == 5
    assert all(worker.startswith("up-1-") for worker in dead)


def test_a_log_begins_anew_with_each_start_of_the_launcher(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text("of the last start")
    child = shell(tmp_path, SLEEP, name="web")
    assert child.log.read_text() == ""

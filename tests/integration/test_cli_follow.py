"""What a terminal shows of a job while it is followed."""

from __future__ import annotations

import json
import subprocess

from jobs.storage.statistics import Statistics
from tests.support.stack import Stack
from tests.support.terminal import Terminal
from tests.support.up import COMMAND, ROOT, ask, clean_environment
from tests.support.wire import create


def following(penstock: Stack, *arguments: str) -> subprocess.Popen[bytes]:
    """A client command as a process of its own, with its output in pipes."""
    environment = clean_environment(PENSTOCK_URL=penstock.url)
    return subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_report_is_followed_from_its_first_words(penstock: Stack) -> None:
    topic = "topic=first words [[demo rate=200]]"
    with following(penstock, "submit", "report", topic, "words=20000", "sections=3", "--follow") as first:
        assert first.stderr
        job = first.stderr.readline().decode().strip().rpartition("/")[2]
        with following(penstock, "watch", job) as second:
            assert first.stdout
            assert second.stdout
            begun = [first.stdout.read(2), second.stdout.read(2)]
            found = json.loads(ask(penstock.url, "show", job, "--format", "json").stdout)
            ask(penstock.url, "cancel", job)
            texts = [begun[0] + first.stdout.read(), begun[1] + second.stdout.read()]
    assert begun == [b"# "] * 2
    assert found["penstock"]["progress"]["done"] == 0  # even section 1 goes on
    assert texts == [ask(penstock.url, "show", job).stdout_bytes] * 2
    assert (first.returncode, second.returncode) == (3, 3)


def test_a_terminal_shows_sections_words_and_time_while_the_text_goes_elsewhere(penstock: Stack) -> None:
    variables = ("topic=elsewhere [[demo rate=200]]", "words=20000", "sections=3")
    terminal = Terminal(penstock.url, "submit", "report", *variables, "--follow", "--notify")
    try:
        job = terminal.read(r"/jobs/(resp_[0-9a-f]{40})")[1]
        terminal.read(r"0 of 4 sections · [\d,]{3,} words · \d+ s")
        ask(penstock.url, "cancel", job)
        terminal.read(rf"\x1b\]9;Penstock: {job} is cancelled\x07\x1b\]777;notify;Penstock;{job} is cancelled\x07\x07")
    finally:
        terminal.close()
    assert "cancelled: What was written is kept." in terminal.shown


def test_a_terminal_says_why_a_job_waits(penstock: Stack) -> None:
    statistics = Statistics(penstock.database)
    statistics.pause("flex")
    try:
        job = create(penstock.url, input="held [[demo tokens=3]]", service_tier="flex")["id"]
        terminal = Terminal(penstock.url, "watch", job)
        try:
            terminal.read(r"The queue flex is paused")
        finally:
            terminal.close()
        assert "queued: The queue flex is paused" in ask(penstock.url, "show", job).stderr
    finally:
        statistics.resume("flex")
    ask(penstock.url, "cancel", job)

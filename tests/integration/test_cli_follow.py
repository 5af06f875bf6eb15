"""What a terminal shows of a job while it is followed."""

from __future__ import annotations

import json
import subprocess

from tests.support.stack import Stack
from tests.support.up import COMMAND, ROOT, ask, clean_environment


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

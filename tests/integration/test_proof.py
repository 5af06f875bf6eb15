"""What the README shows: a worker is killed while somebody reads, and the text goes on with the next word."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.support.up import COMMAND, ROOT, clean_environment, eventually, running

SHOWN = (ROOT / "README.md").read_text(encoding="utf-8").split("## Kill it")[1].split("\n## What you can rely on")[0]


def test_the_readme_shows_what_happens_when_a_worker_is_killed(tmp_path: Path) -> None:
    asked = re.search(r"penstock (submit .+ --follow)", SHOWN)
    assert asked
    read = tmp_path / "read"
    with running(tmp_path / "data", "--demo") as up, read.open("w") as text:
        environment = clean_environment(PENSTOCK_URL=up.url, LANG="C.UTF-8")
        with subprocess.Popen(
            [*COMMAND, *asked[1].split()], cwd=ROOT, env=environment, stdout=text, stderr=subprocess.PIPE, text=True
        ) as reader:
            eventually(lambda: read.stat().st_size > 200)
            up.kill("-m worker")
            words = reader.communicate(timeout=90)[1]
        said = eventually(lambda: re.search(r"^up-1 died.+$", up.words, re.MULTILINE))
        assert said
        assert said[0] in SHOWN
        assert reader.returncode == 0, words
        job = words.rpartition("/")[2].strip()
        assert read.read_text() == up.run("show", job).stdout
        assert '"attempt": 2' in up.run("show", job, "--format", "json").stdout

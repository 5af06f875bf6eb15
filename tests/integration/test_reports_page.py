"""docs/reports.md: each of its commands does what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import Stack
from tests.support.up import ROOT, clean_environment

PAGE = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
BLOCKS = {
    re.sub(r"\W+", "_", f"{title}_{number}"): block
    for title, text in re.findall(r"(?ms)^## (.*?)\n(.*?)(?=^## |\Z)", PAGE)
    for number, block in enumerate(re.findall(r"(?ms)^```sh\n(.*?)^```$", text))
}


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="curl or jq is not on this machine")
@pytest.mark.parametrize("name", BLOCKS)
def test_the_commands_of_a_block_run(penstock: Stack, tmp_path: Path, name: str) -> None:
    programs = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    environment = clean_environment(PENSTOCK_URL=penstock.url, PATH=programs)
    script = ["bash", "-euo", "pipefail", "-c", BLOCKS[name]]
    done = subprocess.run(
        script, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "## " in done.stdout

"""The file by which the launcher knows that a worker still runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ENDS_AT_ONCE = """
import os, pathlib, sys
from worker.supervision.heartbeat_file import touch_for_ever
touch_for_ever(pathlib.Path(sys.argv[1]))
os._exit(0)
"""


def test_it_is_touched_before_the_first_job_may_freeze_the_process(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    file.touch()
    os.utime(file, (1, 1))
    subprocess.run([sys.executable, "-c", ENDS_AT_ONCE, str(file)], check=True)
    assert file.stat().st_mtime > 1

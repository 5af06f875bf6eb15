"""LangSmith gets the texts of jobs only when Penstock's own setting says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from worker.__main__ import _settings
_settings()
from langsmith.utils import tracing_is_enabled
print(tracing_is_enabled())
"""


@pytest.mark.parametrize(("setting", "enabled"), [("", "False"), ("true", "True")])
def test_its_own_variables_do_not_turn_it_on(tmp_path: Path, setting: str, enabled: str) -> None:
    environment = {"LANGSMITH_TRACING": "true", "LANGCHAIN_TRACING_V2": "true", "PENSTOCK_LANGSMITH": setting}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment, "PENSTOCK_DATA": str(tmp_path), "PENSTOCK_REDIS_URL": "redis://127.0.0.1:1"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.split() == [enabled]

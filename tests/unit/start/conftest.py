"""A small checkout for start.py, and a gate at which its set-up waits."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.checkout import START, UV, Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root = tmp_path / "a checkout"  # start.py lives with a space in its path
    (root / "tools").mkdir(parents=True)
    shutil.copy(START, root)
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        (root / name).write_text(f"# {name}\n")
    (root / "tools" / "uv").write_text(UV)
    (root / "tools" / "uv").chmod(0o755)
    return Checkout(root)


@pytest.fixture
def gate(checkout: Checkout) -> Path:
    """A pipe that uv reads a line from before it goes on."""
    path = checkout.root / "uv.wait"
    os.mkfifo(path)
    return path

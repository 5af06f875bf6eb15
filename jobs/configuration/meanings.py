"""What each setting means, in words for those who make it."""

from __future__ import annotations

import tomllib
from pathlib import Path


def meanings() -> dict[str, dict[str, str]]:
    """A sentence for each setting, by the heading of its group and the name of its field."""
    return tomllib.loads(Path(__file__).with_name("meanings.toml").read_text(encoding="utf-8"))

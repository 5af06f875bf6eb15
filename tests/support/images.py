"""What the two images hold: a process gets an environment in which the packages of neither more can be imported."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from tests.support.up import ROOT

# Python runs a file of this name at its start.
_START_FILE = "sitecustomize.py"
_BLOCK = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"the image has no {{name}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def pinned(lock: str) -> dict[str, str]:
    """The packages of a lock, each with its version and hashes as they stand there."""
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text())
    entries = [re.sub(r" ;.*|\n *#.*", "", entry).replace(" \\", "").strip() for entry in entries if entry[0] != "#"]
    return {entry.partition("==")[0]: entry for entry in entries}


def group(name: str) -> set[str]:
    """The packages that a group of pyproject.toml names, with those of the groups that it includes."""
    groups: dict[str, list[Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    found: set[str] = set()
    for entry in groups[name]:
        found |= {package(entry)} if isinstance(entry, str) else group(entry["include-group"])
    return found


def package(requirement: str) -> str:
    """The name in a requirement."""
    return re.split(r"[^\w.-]", requirement)[0]


def missing_modules(target: str) -> set[str]:
    """The modules of the packages that Penstock installs and an image does not."""
    missing = set(pinned("requirements.lock")) - set(pinned(f"requirements-{target}.lock"))
    names = {re.sub(r"[-_.]+", "-", name).lower() for name in missing}
    return {
        module
        for module, packages in packages_distributions().items()
        if {re.sub(r"[-_.]+", "-", name).lower() for name in packages} <= names
    }


def write_start_file(directory: Path, target: str) -> Path:
    """A folder for PYTHONPATH: with it, a process can import what the image has, and no more."""
    folder = directory / f"image-{target}"
    folder.mkdir()
    (folder / _START_FILE).write_text(_BLOCK.format(names=missing_modules(target)))
    return folder

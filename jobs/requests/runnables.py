"""Finds what a prompt's `runnable` names: in a module beside the prompt file, or in an installed package."""

from __future__ import annotations

import hashlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def load_runnable(name: str, folder: Path | None) -> Any:
    """The object that `module:attribute` names; a module in `folder` wins over an installed one.

    This runs the user's code, so it may raise anything that their module raises, SystemExit included.
    """
    module = name.partition(":")[0]
    if folder is None or not _is_module(folder.joinpath(*module.split("."))):
        return pkgutil.resolve_name(name)
    # Modules that it imports by name lie beside it. At the end: none of them takes the place of an installed module.
    sys.path += {str(folder.absolute())}.difference(sys.path)
    return pkgutil.resolve_name(f"{_package(folder.absolute())}.{name}")


def _is_module(path: Path) -> bool:
    return path.with_name(f"{path.name}.py").is_file() or (path / "__init__.py").is_file()


def _package(folder: Path) -> str:
    """The name under which the folder's modules are imported, so that a user's `jobs.py` is not mistaken for ours."""
    name = f"penstock_prompts_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return name

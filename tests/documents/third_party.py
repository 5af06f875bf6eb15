"""docs/third-party.md: what `requirements.lock` installs, under which licence, and where it is from."""

from __future__ import annotations

import re
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata

from tests.support.images import pinned
from tests.support.up import ROOT

_HEAD = """\
# Third-party notices

<!-- Made from requirements.lock and the packages' own metadata by `python -m tests.documents`. -->

Penstock is under the Apache License 2.0. It contains no code of others; these packages are installed beside it, each
with the text of its licence. `psycopg` is under the LGPL and is used as it is published.

| package | version | licence | |
|---|---|---|---|
"""
# Of systems on which Penstock does not run.
_NEVER = ("sys_platform == 'win32'", "sys_platform == 'emscripten'")
_PAGES = ("homepage", "home", "source", "source code", "repository", "github")


def third_party_page() -> str:
    """The whole document. A package that is not on this machine keeps the line that it has."""
    place = ROOT / "docs/third-party.md"
    lines = re.findall(r"^\| (\S+) \| \S+ \| (.*) \|$", place.read_text(), re.MULTILINE) if place.exists() else []
    known = dict(lines)
    rows = (f"| {name} | {version} | {_notice(name) or known[name]} |\n" for name, version in packages().items())
    return _HEAD + "".join(rows)


def packages() -> dict[str, str]:
    """The version of each package that may be installed."""
    lines = re.findall(r"^(\S+)==(\S+)(.*)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert {name for name, _, _ in lines} == set(pinned("requirements.lock"))
    return {name: version for name, version, marker in lines if not any(system in marker for system in _NEVER)}


def _notice(name: str) -> str:
    """Licence and page of a package; empty when it is not installed."""
    try:
        about: Message = metadata(name)  # type: ignore[assignment]
    except PackageNotFoundError:
        return ""
    classes = (one.rpartition(" :: ")[2] for one in about.get_all("Classifier", []) if one.startswith("License"))
    licence = about.get("License-Expression") or ", ".join(classes) or (about.get("License") or "").split("\n")[0]
    urls = dict(one.split(", ", 1) for one in about.get_all("Project-URL", []))
    pages = {label.lower(): url for label, url in urls.items()}
    page = about.get("Home-page") or next((pages[label] for label in _PAGES if label in pages), "")
    return f"{licence} | {page}"

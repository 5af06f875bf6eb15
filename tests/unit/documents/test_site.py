"""The documents as a site: it is built without a warning, and has a place for every page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from docs.site_pages import PAGES
from tests.support.up import ROOT


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=100, check=False)
    assert built.returncode == 0, built.stderr
    for page in (*PAGES, "index.md", "settings.md"):
        assert (tmp_path / "site" / page.removesuffix("index.md").removesuffix(".md") / "index.html").exists()


def test_the_navigation_has_every_page() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    pages = re.findall(r": (\S+\.md)$", text, re.MULTILINE)
    assert sorted(pages) == sorted({*PAGES, *(path.name for path in (ROOT / "docs").glob("*.md"))})


def test_links_of_the_readme_lead_somewhere() -> None:
    for name in ("README.md", *PAGES):
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", (ROOT / name).read_text(encoding="utf-8")):
            assert ((ROOT / name).parent / target).exists(), f"{name}: {target}"

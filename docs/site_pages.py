"""mkdocs' hook: pages of the site that lie elsewhere in the repository, and links to files that are no pages."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "ops/runbook.md", "ops/capacity.md")
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for page in PAGES:
        files.append(File.generated(config, page, content=(ROOT / page).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Any, files: Files, **_: Any) -> str:
    """Links as the site has them: to a page at its place there, to any other file of the repository as its name."""
    uri = page.file.src_uri
    # Where the page lies in the repository: what was added is where it was, the rest in docs/.
    folder = posixpath.dirname(uri if uri in PAGES else f"docs/{uri}")

    def link(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        path = posixpath.normpath(posixpath.join(folder, target))
        place = path if path in PAGES else path.removeprefix("docs/")
        if not (ROOT / path).exists():
            return match[0]  # for mkdocs to complain of
        if files.get_file_from_path(place) is None or (place == path and path not in PAGES):
            return words if f"`{path}`" == words else f"{words} (`{path}`)"
        return f"[{words}]({posixpath.relpath(place, posixpath.dirname(uri) or '.')}{anchor})"

    return _LINK.sub(link, markdown)

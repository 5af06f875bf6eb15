"""`python -m tests.documents`: writes each document anew that is made from the code."""

from __future__ import annotations

from tests.documents.commands import commands_page
from tests.documents.settings import settings_page
from tests.documents.third_party import third_party_page
from tests.support.up import ROOT

DOCUMENTS = {
    "docs/settings.md": settings_page,
    "docs/commands.md": commands_page,
    "docs/third-party.md": third_party_page,
}

if __name__ == "__main__":
    for name, page in DOCUMENTS.items():
        (ROOT / name).write_text(page(), encoding="utf-8")

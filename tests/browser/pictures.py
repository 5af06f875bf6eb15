"""A picture of each page for the documents: `python -m tests.browser.pictures` makes them all again."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser

from tests.support.browser import find_browser, running_browser
from tests.support.page_states import page_states
from tests.support.stack import Stack, running_stack

DIRECTORY = Path(__file__).parents[2] / "docs" / "pictures"
MOST_BYTES = 60_000
# The endpoint of each page, with the name of its picture and the state that it shows.
PICTURES: Mapping[str, tuple[str, str]] = {
    "home.show": ("new", "new"),
    "jobs.show": ("jobs", "jobs"),
    "job.show": ("job", "job completed"),
    "plan.show": ("plan", "plan"),
    "section.show": ("section", "section"),
    "share.show": ("share", "share"),
    "shared.show": ("shared", "shared"),
    "system.show": ("system", "system"),
    "batch_page.show": ("batches", "batches"),
    "schedules.show": ("schedules", "schedules"),
    "webhooks.show": ("webhooks", "webhooks"),
    "prompts.show": ("prompts", "prompts"),
    "openapi.page": ("api", "api"),
    "signin.form": ("sign-in", "sign-in"),
}
_WIDTH, _HEIGHT = 1000, 760
_COLOURS = 64


def take_pictures(site: Stack, browser: Browser, directory: Path) -> None:
    """Write a picture of each page, as it is in this Penstock, into a directory."""
    context = browser.new_context(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light")
    page = context.new_page()
    states = page_states(site)
    for name, state in PICTURES.values():
        page.goto(f"{site.url}{states[state]}")
        picture = Image.open(io.BytesIO(page.screenshot()))
        picture.quantize(_COLOURS).save(directory / f"{name}.png", optimize=True)
    context.close()


def main() -> None:
    """Make the pictures of the documents again."""
    program = find_browser()
    if program is None:
        sys.exit("no browser on PATH: install Chromium")
    DIRECTORY.mkdir(exist_ok=True)
    with TemporaryDirectory() as data, running_stack(Path(data) / "data") as site, running_browser(program) as browser:
        take_pictures(site, browser, DIRECTORY)


if __name__ == "__main__":
    main()

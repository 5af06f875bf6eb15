"""The documents have a small picture of each page, and of no other."""

from __future__ import annotations

from tests.browser.pictures import DIRECTORY, MOST_BYTES, PICTURES
from web.routes import ROUTES

# What is asked for by a script, or is no page of its own.
_NO_PAGES = frozenset({"metrics.show"})
_PAGE_METHODS = ("show", "form", "page")


def test_each_page_has_a_picture_and_each_picture_a_page() -> None:
    pages = {
        route.endpoint
        for route in ROUTES
        if route.method == "GET" and not route.path.startswith("/v1/") and route.endpoint.endswith(_PAGE_METHODS)
    }
    assert set(PICTURES) == pages - _NO_PAGES, "tell tests/browser/pictures.py of the page, and run it"


def test_the_pictures_are_there_and_small() -> None:
    sizes = {path.name: path.stat().st_size for path in DIRECTORY.iterdir()}
    assert set(sizes) == {f"{name}.png" for name, _state in PICTURES.values()}, "run python -m tests.browser.pictures"
    assert [name for name, size in sizes.items() if size > MOST_BYTES] == []

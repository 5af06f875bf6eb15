"""A reader is told of ended jobs wherever they are: once for a browser, counted in the titles of hidden tabs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.stack import Stack, wait_for
from tests.support.wire import create

# What the browser shows and plays: nobody sees or hears it here.
SHOWN = """
  window.told = [];
  window.played = 0;
  window.Notification = class {
    static get permission() { return localStorage.permission ?? "default"; }
    static async requestPermission() { return (localStorage.permission = "granted"); }
    constructor(title, { body, tag }) { window.told.push([title, body, tag]); }
  };
  const play = AudioContext.prototype.createOscillator;
  AudioContext.prototype.createOscillator = function () { window.played += 1; return play.call(this); };
"""
VISIBLE = """(state) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def ended(site: Stack, topic: str) -> str:
    """A job that is over soon; its id."""
    return str(
        create(site.url, prompt={"id": "story", "variables": {"topic": f"{topic} [[demo rate=0 tokens=3]]"}})["id"]
    )


def told(pages: Sequence[Page]) -> list[Any]:
    return [each for page in pages for each in page.evaluate("window.told")]


@pytest.fixture
def pages(site: Stack, tabs: dict[bool, BrowserContext]) -> list[Page]:
    """The list, and the system's page, of one browser."""
    tabs[True].add_init_script(SHOWN)
    opened = [tabs[True].new_page() for _ in range(2)]
    for page, path in zip(opened, ("/jobs", "/system"), strict=True):
        page.goto(f"{site.url}{path}")
    return opened


def test_every_job_is_told_of_once_and_the_switch_is_remembered(site: Stack, pages: list[Page]) -> None:
    page, other = pages
    page.locator(".news summary").click()
    switch = page.get_by_label("Tell me when a job of mine has ended")
    sound = page.get_by_label("With a sound")
    expect(sound).to_be_disabled()
    switch.check()
    expect(sound).to_be_enabled()
    expect(other.locator("#news-sign")).to_have_text("●")
    other.evaluate(VISIBLE, "hidden")
    first = ended(site, "a heron")
    wait_for(lambda: told(pages))
    expect(other).to_have_title("(1) System · Penstock")
    expect(page).to_have_title("Jobs · Penstock")
    assert [tag for _title, _body, tag in told(pages)] == [f"/jobs/{first}"]
    assert told(pages)[0][0].startswith("a heron")
    assert page.evaluate("played") == 0
    other.evaluate(VISIBLE, "visible")
    expect(other).to_have_title("System · Penstock")

    sound.check()
    assert page.evaluate("played") == 2
    for each in pages:
        each.reload()
    page.locator(".news summary").click()
    expect(switch).to_be_checked()
    expect(sound).to_be_checked()
    second = ended(site, "a crane")
    wait_for(lambda: told(pages))
    wait_for(lambda: sum(each.evaluate("played") for each in pages) == 2)
    assert [tag for _title, _body, tag in told(pages)] == [f"/jobs/{second}"]
    switch.uncheck()
    expect(other.locator("#news-sign")).to_have_text("○")

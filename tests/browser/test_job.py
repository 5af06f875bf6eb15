"""The page of a job in a real browser: what moves while it is written, and what does not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from jobs.protocol.fold import text_of
from tests.support.job_page import connection, expect_growth, expect_whole, open_job, report, started, status
from tests.support.markdown_texts import HOSTILE
from tests.support.stack import Stack, wait_for
from tests.support.wire import fetch

# Everything that moves by itself, with how far; but for what the reader's own scrolling moved.
SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) for (const source of one.sources) {
      const node = source.node?.nodeType === 1 ? source.node : source.node?.parentElement;
      if (node?.closest("#output section > :not(.tail)")) window.shifts.push([one.value, node.outerHTML.slice(0, 80)]);
    }
  }).observe({ type: "layout-shift" });
}"""

# Where the page stands once a turn of the wheel has been scrolled to its end.
AT_REST = """async () => {
  for (let y = -1; y !== scrollY; await new Promise(rest => setTimeout(rest, 150))) y = scrollY;
  return scrollY;
}"""


def test_the_text_is_formatted_while_it_is_written(site: Stack, page: Page) -> None:
    asked = "# Title\n\n**bold** and `code`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx = 1\n```\n\nnote[^1]\n\n"
    job = started(site, f"{asked}[^1]: here\n\n{'word ' * 60}[[demo echo rate=150]]")
    open_job(page, site, job)
    output = page.locator("#output")
    expect(output.locator("h1")).to_have_text("Title")
    expect(output.locator("strong")).to_have_text("bold")
    expect(output.locator("td")).to_have_count(2)
    expect(output.locator("pre code")).to_have_text("x = 1\n")
    expect(status(page)).to_have_text("in progress")
    expect(connection(page)).to_have_text("live")
    expect(page).to_have_title(re.compile("^◐ "))
    expect(status(page)).to_have_text("completed")
    expect(output.locator(".footnotes")).to_contain_text("here")  # known at the end only
    expect(page).to_have_title(re.compile("^(?!◐)"))
    expect_whole(page, site, job)


def test_nothing_that_was_there_is_drawn_again(site: Stack, page: Page) -> None:
    job = started(site, "kept elements [[demo rate=120 tokens=500]]")
    wait_for(lambda: len(text_of(fetch(site.url, f"/v1/responses/{job}")[1])) > 600)
    open_job(page, site, job)
    assert page.locator("#output section > p").count() >= 1
    page.evaluate("for (const block of document.querySelectorAll('#output section > p')) block.mine = true")
    count = page.evaluate("[...document.querySelectorAll('#output section > p')].filter((one) => one.mine).length")
    expect(status(page)).to_have_text("completed")
    wait_for(lambda: page.locator(".tail").count() == 0)
    assert page.evaluate("[...document.querySelectorAll('#output p')].filter((one) => one.mine).length") == count > 0
    expect_whole(page, site, job)


def test_the_end_is_followed_until_the_reader_scrolls_up(site: Stack, page: Page) -> None:
    job = started(site, "a long scroll [[demo rate=300 tokens=3000]]")
    open_job(page, site, job)
    jump = page.get_by_role("button", name="Jump to the end")
    wait_for(lambda: page.evaluate("scrollY") > 300)
    expect(jump).to_be_hidden()
    wait_for(lambda: _below(page) < 60)

    page.mouse.move(400, 400)
    page.mouse.wheel(0, -200)
    expect(jump).to_be_visible()
    at = page.evaluate(AT_REST)
    expect_growth(page, 400)
    assert page.evaluate("scrollY") == at
    page.evaluate(SHIFTS)
    expect_growth(page, 400)
    assert page.evaluate("shifts") == []

    jump.click()
    wait_for(lambda: _below(page) < 60)
    expect_growth(page, 200)
    wait_for(lambda: _below(page) < 60)
    page.keyboard.press("PageUp")
    expect(jump).to_be_visible()
    expect(page.get_by_role("button", name="Stop and keep")).to_be_in_viewport()
    expect(status(page)).to_be_in_viewport()
    page.get_by_role("button", name="Cancel").click()
    expect(status(page)).to_have_text("cancelled")
    expect(jump).to_be_hidden()


def _below(page: Page) -> float:
    return float(page.evaluate("document.querySelector('#output').getBoundingClientRect().bottom - innerHeight"))


def test_sections_fill_in_without_the_readers_place_moving(site: Stack, page: Page) -> None:
    job = report(site, "side by side", "rate=60 think=5", words=2400)
    open_job(page, site, job)
    lines = page.locator("#outline li")
    expect(lines.first).to_have_class("in_progress")
    assert lines.count() >= 4
    expect(lines.last).to_have_class("queued")  # the summary waits for the others
    expect(page.locator("#section-2 p").nth(3)).to_be_attached()
    page.evaluate("scrollTo(0, document.querySelector('#section-2 > p').getBoundingClientRect().top + scrollY - 200)")
    expect(page.get_by_role("button", name="Jump to the end")).to_be_visible()
    page.evaluate(SHIFTS)
    read, above = page.locator("#section-2 > p").first, page.locator("#section-1")
    place, height = _top(read), above.bounding_box()["height"]  # type: ignore[index]
    wait_for(lambda: above.bounding_box()["height"] > height + 150)  # type: ignore[index]
    assert abs(_top(read) - place) < 2
    assert page.evaluate("shifts") == []
    lines.nth(2).get_by_role("link").click()
    assert page.url.endswith("#section-3")
    assert lines.nth(2).locator("span").inner_text().endswith("words")
    page.evaluate("scrollTo(0, document.querySelector('#section-2 > p').getBoundingClientRect().top + scrollY - 200)")
    place = _top(read)
    page.get_by_role("button", name="Stop and keep").evaluate("button => button.click()")  # without scrolling to it
    expect(page.locator("#stopping")).to_have_text("Stopping …")
    expect(status(page)).to_have_text("incomplete")
    wait_for(lambda: page.locator(".tail").count() == 0)
    assert abs(_top(read) - place) < 2


def _top(of: Locator) -> float:
    return float(of.evaluate("element => element.getBoundingClientRect().top"))


def test_without_javascript(site: Stack, tabs: dict[bool, BrowserContext]) -> None:
    page = tabs[False].new_page()
    job = report(site, "plain pages", "rate=100")
    open_job(page, site, job)
    expect(page.locator("#outline li")).not_to_have_count(0)  # it is loaded again by itself
    expect(page.locator("#output h2").first).to_be_visible()
    expect(status(page)).to_have_text("completed")
    expect(page.locator("#timeline table")).to_be_visible()
    page.get_by_text("Retry", exact=True).click()
    page.get_by_role("button", name="Write again").click()
    page.wait_for_url(lambda url: job not in url)
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    page.wait_for_url("**/jobs")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(site: Stack, tabs: dict[bool, BrowserContext], scheme: Any) -> None:
    page = tabs[True].new_page()
    page.set_viewport_size({"width": 360, "height": 700})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    wide = "| a | b |\n|---|---|\n| " + "x" * 300 + " | y |\n\n```\n" + "z" * 300 + "\n```\n\n$$" + "a+" * 80 + "b$$\n"
    for job in (report(site, "narrow", "rate=200"), started(site, f"{wide} {'w' * 300} [[demo echo]]")):
        open_job(page, site, job)
        expect(status(page)).to_have_text("completed")
        for summary in page.locator("summary:visible").all():
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert page.locator(".actions button:visible").first.evaluate("one => one.getBoundingClientRect().height") >= 44


def test_the_keyboard_reaches_everything_and_is_seen(site: Stack, page: Page) -> None:
    job = report(site, "by keyboard", "rate=0")
    open_job(page, site, job)
    expect(status(page)).to_have_text("completed")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        name, outline = page.evaluate(
            "[document.activeElement.innerText?.trim(), getComputedStyle(document.activeElement).outlineStyle]"
        )
        reached.add(name)
        assert outline != "none", name
    for name in (
        "Retry",
        "Edit and run again",
        "Copy all",
        "Markdown",
        "Delete",
        "Outline",
        "Plan",
        "Timeline",
        "Request",
    ):
        assert name in reached
    titles = set(page.locator("#outline a").all_inner_texts())
    assert titles <= reached


def test_what_a_screen_reader_hears(site: Stack, page: Page) -> None:
    job = started(site, "quiet, please [[demo rate=80 tokens=600]]")
    open_job(page, site, job)
    expect_growth(page)
    speaking = page.locator("[aria-live]:not([aria-live=off]), [role=status], [role=alert]")
    assert all(
        name in ("status", "stopping", "error") for name in speaking.evaluate_all("all => all.map((one) => one.id)")
    )
    assert page.locator("#output").locator("[aria-live], [role=status]").count() == 0
    expect(status(page)).to_have_text("completed")
    unnamed = "all => all.filter((one) => !one.innerText.trim() && !one.ariaLabel).length"
    assert page.locator("button:visible, a:visible, summary:visible").evaluate_all(unnamed) == 0
    ids = page.locator("[id]").evaluate_all("all => all.map((one) => one.id)")
    assert len(ids) == len(set(ids))


def test_hostile_text_is_tame_at_every_moment(site: Stack, page: Page) -> None:
    """Invariant 9, while it is written: the model says each of these, a character at a time."""
    text = "\n\n".join(HOSTILE)[:4000]
    job = started(site, f"{text}\n[[demo echo rate=800]]")
    open_job(page, site, job)
    while status(page).inner_text() != "completed":
        assert page.evaluate(
            """() => {
              const output = document.querySelector("#output");
              const loads = "script, img, iframe, object, embed, video, style, link, meta, base, form, input, svg";
              const names = [...output.querySelectorAll("*")].flatMap((one) => one.getAttributeNames());
              const links = [...output.querySelectorAll("[href]")].map((one) => new URL(one.href).protocol);
              return output.querySelectorAll(loads).length === 0
                && !names.some((name) => name.startsWith("on") || name === "style" || name === "src")
                && links.every((protocol) => ["http:", "https:", "mailto:"].includes(protocol));
            }"""
        )
    expect_whole(page, site, job)

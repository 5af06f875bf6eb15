"""The page of a job in a real browser: what moves and what does not, and the ways back after anything that happens."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import Any

import openai
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from jobs.limits import OwnerLimits
from jobs.protocol.fold import text_of
from jobs.storage.access.owner_limits import LimitRegistry
from tests.support.markdown_texts import HOSTILE
from tests.support.stack import Stack, wait_for
from tests.support.wire import create, fetch, request
from web.auth import LOCAL_OWNER

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
# Playwright has no word for a tab that is not looked at.
VISIBLE = """(state) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def started(site: Stack, asked: str) -> str:
    job: str = create(site.url, input=asked)["id"]
    return job


def report(site: Stack, topic: str, directives: str, words: int = 400) -> str:
    """A report, whose sections are written side by side."""
    variables = {"topic": topic, "words": words, "source": f"[[demo {directives}]]"}
    job: str = create(site.url, prompt={"id": "report", "variables": variables})["id"]
    return job


def open_job(page: Page, site: Stack, job: str) -> Page:
    page.goto(f"{site.url}/jobs/{job}")
    return page


def status(page: Page) -> Locator:
    return page.locator("#status")


def connection(page: Page) -> Locator:
    return page.locator("#connection")


def said(page: Page) -> str:
    return page.locator("#output").inner_text()


def expect_growth(page: Page, more: int = 40) -> None:
    """Wait until there is so much more text on the page than now."""
    length = len(said(page))
    wait_for(lambda: len(said(page)) > length + more)


def expect_whole(page: Page, site: Stack, job: str, ended: str = "completed") -> None:
    """The job has ended, and the page shows what the export has, which is made of the stored text."""
    expect(status(page)).to_have_text(ended)
    expect(page.locator(".tail, .replaced")).to_have_count(0)
    page.evaluate("for (const button of document.querySelectorAll('.copy')) button.remove()")
    texts = "all => all.map((one) => one.innerText)"
    shown = page.locator("#output > section").evaluate_all(texts)
    page.goto(f"{site.url}/jobs/{job}.html")
    assert page.locator("article > section").evaluate_all(texts) == shown != []


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
    assert _below(page) < 60

    page.mouse.move(400, 400)
    page.mouse.wheel(0, -200)
    expect(jump).to_be_visible()
    at = wait_for(lambda: page.evaluate("scrollY"))
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


def test_a_lost_worker_is_seen_and_the_text_is_right_in_the_end(site: Stack, page: Page, client: openai.OpenAI) -> None:
    site.start_worker()
    job = started(site, "begun again [[demo rate=60 tokens=5000 seed=random]]")
    open_job(page, site, job)
    expect_growth(page, 1500)  # so long that no other random text can begin with it
    site.lose(site.runner(job))
    expect(page.locator(".replaced summary")).to_have_text("Begun again: the worker was lost")
    expect(page.locator("#facts")).to_contain_text("attempt 2")
    expect_growth(page)
    client.responses.cancel(job)
    expect(status(page)).to_have_text("cancelled")
    page.get_by_text("Timeline").click()
    expect(page.locator("#timeline")).to_contain_text("the worker was lost")
    expect_whole(page, site, job, "cancelled")


def test_a_server_that_goes_away_and_comes_back(site: Stack, page: Page, client: openai.OpenAI) -> None:
    job = started(site, "goes on [[demo rate=60 tokens=5000]]")
    open_job(page, site, job)
    expect_growth(page)
    site.webs[-1].kill()
    expect(connection(page)).to_have_text(re.compile(r"reconnecting in \d+ s"))
    site.restart_web()
    expect(connection(page)).to_have_text("live")
    expect_growth(page)
    client.responses.cancel(job)
    expect_whole(page, site, job, "cancelled")


def test_a_network_that_goes_away_and_comes_back(site: Stack, page: Page) -> None:
    job = started(site, "offline [[demo rate=60 tokens=300]]")
    open_job(page, site, job)
    expect_growth(page)
    page.context.set_offline(True)
    expect(connection(page)).to_have_text("offline")
    page.context.set_offline(False)
    expect(connection(page)).to_have_text("live")
    expect_whole(page, site, job)


def test_a_page_says_that_too_many_are_live(site: Stack, page: Page, client: openai.OpenAI) -> None:
    limits = LimitRegistry(site.database, OwnerLimits())
    job = started(site, "many look on [[demo rate=20 tokens=5000]]")
    limits.change(LOCAL_OWNER, {"open_streams": 2})
    try:
        with ExitStack() as streams:
            # Until the change is known to the web process, streams are not counted.
            wait_for(lambda: streams.enter_context(request(site.url, f"/v1/responses/{job}?stream=true")).status == 429)
            open_job(page, site, job)
            expect(connection(page)).to_have_text(re.compile(r"too many pages are live: close one; .* in \d+ s"))
        expect(connection(page)).to_have_text("live")
    finally:
        limits.change(LOCAL_OWNER, {"open_streams": None})
    client.responses.cancel(job)
    expect(status(page)).to_have_text("cancelled")


def test_a_hidden_tab_closes_its_stream_and_goes_on_when_shown(site: Stack, page: Page, visits: list[str]) -> None:
    page.clock.install()
    job = started(site, "out of sight [[demo rate=60 tokens=500]]")
    open_job(page, site, job)
    expect(page.locator("#output section > p").nth(1)).to_be_attached()
    page.evaluate(VISIBLE, "hidden")
    page.clock.run_for(7000)
    expect(connection(page)).to_have_text("paused")
    before, streams = said(page), [url for url in visits if "/live" in url]
    wait_for(lambda: len(text_of(fetch(site.url, f"/v1/responses/{job}")[1])) > len(before) + 300)
    with page.expect_request(f"{site.url}/v1/responses/{job}"):
        page.clock.run_for(21_000)
    assert [url for url in visits if "/live" in url] == streams
    assert said(page) == before
    with page.expect_request(re.compile(r"/live\?after=\d+\.\d+$")):
        page.evaluate(VISIBLE, "visible")
    expect(connection(page)).to_have_text("live")
    page.clock.resume()
    expect_whole(page, site, job)


def test_a_hidden_tab_hears_of_the_end(site: Stack, page: Page, client: openai.OpenAI) -> None:
    page.clock.install()
    job = started(site, "ends unseen [[demo rate=60 tokens=5000]]")
    open_job(page, site, job)
    expect_growth(page)
    page.evaluate(VISIBLE, "hidden")
    page.clock.run_for(7000)
    expect(connection(page)).to_have_text("paused")
    client.responses.cancel(job)
    wait_for(lambda: client.responses.retrieve(job).status == "cancelled")
    page.clock.run_for(21_000)
    expect(status(page)).to_have_text("cancelled")
    expect(page).to_have_title(re.compile("^… "))


def test_forty_tabs(site: Stack, tabs: dict[bool, BrowserContext]) -> None:
    """More live pages than a browser opens connections to one server: those that nobody sees hold none."""
    jobs = [started(site, f"tab {number} [[demo rate=20 tokens=5000]]") for number in range(8)]
    opened = []
    for job in [*jobs, *jobs[:4]]:
        tab = tabs[True].new_page()
        tab.clock.install()
        open_job(tab, site, job)
        expect(connection(tab)).to_have_text("live")
        tab.evaluate(VISIBLE, "hidden")
        tab.clock.run_for(7000)
        expect(connection(tab)).to_have_text("paused")
        opened.append(tab)
    for tab in (opened[0], opened[9]):
        tab.evaluate(VISIBLE, "visible")
        tab.clock.resume()
        expect(connection(tab)).to_have_text("live")
        expect_growth(tab)
    for job in jobs:
        fetch(site.url, f"/v1/responses/{job}/cancel", method="POST")


def test_what_is_copied(site: Stack, tabs: dict[bool, BrowserContext], client: openai.OpenAI) -> None:
    tabs[True].grant_permissions(["clipboard-read", "clipboard-write"])
    page = tabs[True].new_page()
    variables = {"topic": "copies", "words": 300, "source": "[[demo rate=0]]"}
    job = client.responses.create(prompt={"id": "report", "variables": variables})  # type: ignore[call-overload]
    open_job(page, site, job.id)

    def copied(button: Locator) -> str:
        button.click()
        expect(button).to_have_text("Copied")
        text: str = page.evaluate("navigator.clipboard.readText()")
        return text

    assert copied(page.locator(".actions [data-copy]")) == job.output_text
    section = copied(page.locator("#outline [data-copy]").nth(1))
    assert section.startswith(f"## {page.locator('#outline li a').nth(1).inner_text()}")
    assert section in job.output_text
    code = started(site, "```python\nx = [1,\n     2]\n```\n[[demo echo]]")
    open_job(page, site, code)
    expect(status(page)).to_have_text("completed")
    button = page.locator("#output .copy")
    assert copied(button) == "x = [1,\n     2]\n"
    page.get_by_text("Use it from a program").click()
    snippet = page.locator(".snippets .copy").first
    assert f"{site.url}/jobs/{code}.md" in copied(snippet)


def test_run_again_edit_and_delete(site: Stack, page: Page) -> None:
    old = create(site.url, prompt={"id": "story", "variables": {"topic": "again [[demo tokens=20]]"}})["id"]
    open_job(page, site, old)
    expect(status(page)).to_have_text("completed")
    page.get_by_role("button", name="Retry").click()
    page.wait_for_url(lambda url: old not in url)
    new = page.url.rpartition("/")[2]
    expect(status(page)).to_have_text("completed")
    assert fetch(site.url, f"/v1/responses/{new}")[1]["penstock"]["retry_of"] == old
    expect(page.get_by_role("link", name="Edit and run again")).to_have_attribute("href", f"/?from={new}")
    page.get_by_role("link", name="Edit and run again").click()
    expect(page.get_by_role("form", name="Story").get_by_label("Topic")).to_have_value("again [[demo tokens=20]]")
    page.go_back()
    really = page.get_by_role("button", name="Delete for good")
    expect(really).to_be_hidden()
    page.get_by_text("Delete", exact=True).click()
    really.click()
    page.wait_for_url("**/jobs")
    assert fetch(site.url, f"/v1/responses/{new}")[0] == 404


def test_a_deleted_job_says_so(site: Stack, page: Page, client: openai.OpenAI) -> None:
    job = started(site, "vanishes [[demo rate=30 tokens=5000]]")
    open_job(page, site, job)
    expect_growth(page)
    client.responses.delete(job)
    expect(connection(page)).to_have_text("This job is no longer here.")


def test_everything_that_was_asked_is_shown(site: Stack, page: Page) -> None:
    long = " ".join(f"word{number}" for number in range(2000))
    job = create(site.url, input=f"{long} [[demo tokens=5]]", instructions="Be <brief>.", temperature=0.3)["id"]
    open_job(page, site, job)
    asked = page.locator("details").filter(has=page.get_by_text("Request", exact=True)).last
    asked.locator("summary").click()
    for text in ("word1999", "Be <brief>.", "0.3"):
        expect(asked).to_contain_text(text)
    page.get_by_text("Use it from a program").click()
    for text in (f"/jobs/{job}.md", f'retrieve("{job}"', f"{site.url}/v1"):
        expect(page.locator(".snippets")).to_contain_text(text)


def test_without_javascript(site: Stack, tabs: dict[bool, BrowserContext]) -> None:
    page = tabs[False].new_page()
    job = report(site, "plain pages", "rate=100")
    open_job(page, site, job)
    expect(page.locator("#outline li")).not_to_have_count(0)  # it is loaded again by itself
    expect(page.locator("#output h2").first).to_be_visible()
    expect(status(page)).to_have_text("completed")
    expect(page.locator("#timeline table")).to_be_visible()
    page.get_by_role("button", name="Retry").click()
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
    job = started(site, "quiet, please [[demo rate=80 tokens=80]]")
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

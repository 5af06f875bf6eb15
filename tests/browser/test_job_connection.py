"""The page of a job whose worker, server or network is lost, or which nobody looks at: it goes on where it was."""

from __future__ import annotations

import re
from contextlib import ExitStack

import openai
from playwright.sync_api import BrowserContext, Page, expect

from jobs.limits import OwnerLimits
from jobs.protocol.fold import text_of
from jobs.storage.access.owner_limits import LimitRegistry
from tests.support.job_page import connection, expect_growth, expect_whole, open_job, report, said, started, status
from tests.support.stack import Stack, wait_for
from tests.support.wire import fetch, request
from web.auth import LOCAL_OWNER

# Playwright has no word for a tab that is not looked at.
VISIBLE = """(state) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


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


def test_what_a_link_leads_to_goes_on_when_a_worker_is_lost(site: Stack, page: Page) -> None:
    site.start_worker()
    job = report(site, "shared", "rate=30 think=20", words=1000)
    share = fetch(site.url, f"/v1/responses/{job}/shares", method="POST", body=b"{}")[1]
    page.goto(share["url"])
    expect_growth(page, 100)
    site.lose(site.runner(job))
    expect(status(page)).to_have_text("completed")
    expect(page.locator(".tail")).to_have_count(0)
    texts = "all => all.map((one) => one.innerText)"
    shown = page.locator("#output > section").evaluate_all(texts)
    page.reload()
    assert page.locator("#output > section").evaluate_all(texts) == shown
    assert len(shown) > 3


def test_a_server_that_goes_away_and_comes_back(site: Stack, page: Page, client: openai.OpenAI) -> None:
    job = started(site, "goes on [[demo rate=60 tokens=5000]]")
    open_job(page, site, job)
    expect_growth(page)
    site.webs[-1].kill()
    expect(connection(page)).to_have_text(re.compile(r"connection lost; next try in \d+ s"))
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

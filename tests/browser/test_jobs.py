"""The list of jobs in a real browser: it lives, nothing jumps, many are acted on at once."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import datetime
from zoneinfo import ZoneInfo

import openai
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from sqlalchemy import update

from jobs.storage.lists.job_lists import MOST_SORTED
from jobs.storage.schema import jobs
from jobs.storage.store import Store
from tests.support.long_queue import lengthen
from tests.support.stack import Stack, wait_for
from tests.support.wire import create
from web.auth import LOCAL_OWNER

STILL = "[[demo rate=0 tokens=3]]"


def row(page: Page, job_id: str) -> Locator:
    return page.locator(f"#rows tr[id={job_id}]")


def queue(site: Stack, topic: str, knobs: str = STILL) -> str:
    """A job about a topic; its id."""
    return str(create(site.url, prompt={"id": "story", "variables": {"topic": f"{topic} {knobs}"}})["id"])


def test_the_list_lives_and_nothing_jumps_under_the_pointer(site: Stack, client: openai.OpenAI, page: Page) -> None:
    running = queue(site, "a long way", "[[demo rate=20 tokens=3000]]")
    page.goto(f"{site.url}/jobs?q=way")
    expect(row(page, running)).to_contain_text("in progress")
    page.mouse.move(5, 5)
    second = queue(site, "a short way")
    expect(row(page, second)).to_contain_text("completed")  # by itself
    assert page.locator("#rows tr").first.get_attribute("id") == second

    row(page, running).get_by_role("checkbox").check()  # the pointer is over the list now
    third = queue(site, "a third way")
    shown = page.get_by_role("button", name="Show one new job")
    expect(shown).to_be_visible()
    expect(row(page, third)).to_have_count(0)
    place = row(page, running).bounding_box()
    client.responses.cancel(running)
    expect(row(page, running)).to_contain_text("cancelled")  # what it says goes on
    assert row(page, running).bounding_box() == place
    shown.click()
    expect(row(page, third)).to_be_visible()
    expect(shown).to_be_hidden()
    expect(row(page, running).get_by_role("checkbox")).to_be_checked()


def test_many_are_ticked_and_deleted_after_a_question(site: Stack, page: Page) -> None:
    ids = [queue(site, f"heap {number}") for number in range(5)][::-1]
    page.goto(f"{site.url}/jobs?q=heap")
    row(page, ids[0]).get_by_role("checkbox").click()
    row(page, ids[2]).get_by_role("checkbox").click(modifiers=["Shift"])
    expect(page.locator("#ticked")).to_have_text("3 ticked")
    page.locator(".bulk").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Delete 3 jobs?")).to_be_visible()
    page.get_by_role("link", name="No, go back").click()
    expect(page.locator("#rows tr")).to_have_count(5)
    page.get_by_role("checkbox", name="Tick all on this page").check()
    expect(page.locator("#ticked")).to_have_text("5 ticked")
    row(page, ids[1]).get_by_role("checkbox").uncheck()
    page.locator(".bulk").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("4 jobs were deleted.")).to_be_visible()
    assert page.url == f"{site.url}/jobs?q=heap"
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(row(page, ids[1])).to_be_visible()


def test_more_than_a_thousand_are_deleted_after_one_question(site: Stack, page: Page) -> None:
    store, job_id = Store(site.database), queue(site, "flood")
    wait_for(lambda: store.get(LOCAL_OWNER, job_id).status.is_terminal)
    with site.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(prompt="flood"))
    lengthen(site.database, store.get(LOCAL_OWNER, job_id), 1005)
    page.goto(f"{site.url}/jobs?prompt=flood")
    page.get_by_label("Which jobs").select_option("all")
    page.locator(".bulk").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Delete 1,000 jobs?")).to_be_visible()
    page.get_by_role("checkbox", name="Do it with all of this list").check()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("6 jobs were deleted.")).to_be_visible(timeout=60_000)
    expect(page.locator("#none")).to_be_visible()


@pytest.mark.parametrize("script", [True, False])
def test_filters_are_links_and_everything_works_with_keys(
    site: Stack, tabs: dict[bool, BrowserContext], script: bool
) -> None:
    page = tabs[script].new_page()
    ids = [queue(site, f"keys {script} {number}") for number in range(3)][::-1]
    page.goto(f"{site.url}/jobs")
    search = page.get_by_role("searchbox")
    search.fill(f"keys {script}")
    search.press("Enter")
    page.wait_for_url("**/jobs?q=keys*")
    expect(page.locator("#rows tr")).to_have_count(3)
    page.get_by_role("link", name=re.compile("^failed|^all")).first.press("Enter")
    expect(page.locator("#rows tr")).to_have_count(3)
    tick = row(page, ids[2]).get_by_role("checkbox")
    tick.focus()
    page.keyboard.press("Space")
    expect(tick).to_be_checked()
    page.get_by_label("Which jobs").select_option("all")
    page.locator(".bulk").get_by_role("button", name="Delete").press("Enter")
    expect(page.get_by_role("heading", name="Delete 3 jobs?")).to_be_visible()
    page.get_by_role("button", name="Delete for good").press("Enter")
    expect(page.locator("#rows tr")).to_have_count(0)
    expect(page.get_by_text("No job is like that.")).to_be_visible()


def test_a_server_that_is_away_is_said_and_comes_back(site: Stack, page: Page) -> None:
    job_id = queue(site, "patience")
    page.goto(f"{site.url}/jobs?q=patience")
    site.webs[-1].kill()
    expect(page.locator("#state")).to_contain_text("does not answer")
    site.restart_web()
    expect(page.locator("#state")).to_have_text("")
    expect(row(page, job_id)).to_be_visible()


def test_days_are_those_of_the_reader(site: Stack, browser: Browser) -> None:
    job_id = queue(site, "days")
    # 2026-03-08 has 23 hours there; this is its last minute, and the next day in UTC.
    moment = datetime(2026, 3, 8, 23, 59, tzinfo=ZoneInfo("America/New_York")).timestamp()
    with site.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(created_at=moment))
    context = browser.new_context(timezone_id="America/New_York")
    with closing(context):
        page = context.new_page()
        page.goto(f"{site.url}/jobs?q=days")
        page.get_by_text("Dates and order").click()
        expect(page.locator("#zone")).to_have_text("America/New_York")
        for day, found in (("2026-03-07", 0), ("2026-03-08", 1), ("2026-03-09", 0)):
            for name in ("since", "until"):
                page.locator(f"[name={name}]:visible").fill(day)
            page.get_by_role("button", name="Search").click()
            page.wait_for_url(re.compile(r"since=\d+&until=\d+"))
            expect(page.locator("#rows tr")).to_have_count(found)
            expect(page.locator("[name=until]:visible")).to_have_value(day)
            expect(page.locator("[name=since]:visible")).to_have_value(day)
            name = f"{datetime.fromisoformat(day):%A}"
            expect(page.locator("#days")).to_have_text(
                re.compile(rf"from {name}, March \d, 2026\s+until {name}, March")
            )


def test_without_a_script_days_are_those_of_utc(site: Stack, tabs: dict[bool, BrowserContext]) -> None:
    page = tabs[False].new_page()
    page.goto(f"{site.url}/jobs?since=2020-02-29&until=2020-02-29")
    expect(page.locator("#zone")).to_have_text("UTC")
    expect(page.locator("#days")).to_have_text(
        re.compile(r"from Saturday 2020-02-29 UTC\s+until Saturday 2020-02-29 UTC")
    )
    expect(page.locator("[name=since]:visible")).to_have_value("2020-02-29")


def test_keys_lead_through_the_list(site: Stack, page: Page) -> None:
    ids = [queue(site, f"by keys {number}") for number in range(3)][::-1]
    page.goto(f"{site.url}/jobs?q=keys")
    expect(page.locator("#rows tr")).to_have_count(3)
    for key in ("j", "j", "j", "k"):  # there are three rows, of which the third is the last
        page.keyboard.press(key)
    expect(row(page, ids[1]).get_by_role("link")).to_be_focused()
    page.keyboard.press("x")
    expect(row(page, ids[1]).get_by_role("checkbox")).to_be_checked()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_contain_text("next job of the list")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("jnx")  # somebody types
    expect(page.get_by_role("searchbox")).to_have_value("jnx")
    row(page, ids[0]).get_by_role("link").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{ids[0]}")
    page.keyboard.press("n")
    page.wait_for_url(f"{site.url}/")
    page.goto(f"{site.url}/?prompt=story")
    form = page.locator("form").filter(has=page.get_by_role("heading", name="Story"))
    form.locator("[name=topic]").fill("by Ctrl and Enter [[demo tokens=5]]")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/jobs/resp_*")


def test_a_list_that_is_too_long_to_be_sorted_says_so(site: Stack, page: Page) -> None:
    store, job_id = Store(site.database), queue(site, "deluge")
    wait_for(lambda: store.get(LOCAL_OWNER, job_id).status.is_terminal)
    with site.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(prompt="deluge"))
    said = page.get_by_text("Only the newest 10,000 of these jobs are in this order")
    page.goto(f"{site.url}/jobs?prompt=deluge&sort=words")
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(said).to_have_count(0)
    lengthen(site.database, store.get(LOCAL_OWNER, job_id), MOST_SORTED)
    page.goto(f"{site.url}/jobs?prompt=deluge&sort=words")
    expect(said).to_be_visible()
    page.goto(f"{site.url}/jobs?prompt=deluge&sort=oldest")
    expect(page.locator("#rows tr")).to_have_count(30)
    expect(said).to_have_count(0)

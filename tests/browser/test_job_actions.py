"""What can be done with a job on its page: copy, run again, edit, delete, and see what was asked."""

from __future__ import annotations

import openai
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.support.job_page import connection, expect_growth, open_job, started, status
from tests.support.stack import Stack, wait_for
from tests.support.wire import create, fetch


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
    assert section.startswith(f"## {page.locator('#outline li > a').nth(1).inner_text()}")
    assert section in job.output_text
    code = started(site, "```python\nx = [1,\n     2]\n```\n[[demo echo]]")
    open_job(page, site, code)
    expect(status(page)).to_have_text("completed")
    button = page.locator("#output .copy")
    assert copied(button) == "x = [1,\n     2]\n"
    page.get_by_text("Use it from a program").click()
    snippet = page.locator(".snippets .copy").first
    assert f"{site.url}/jobs/{code}.md" in copied(snippet)


def test_why_nothing_is_written_stays_in_sight(site: Stack, page: Page) -> None:
    job = started(site, "much text, then silence [[demo rate=0 stall=1200]]")
    open_job(page, site, job)
    wait_for(lambda: page.evaluate("scrollY") > 300)  # it follows the text
    page.get_by_role("button", name="Stop and keep").click()
    said = page.locator("#details")
    expect(said).to_have_text("It is being stopped: what is written is kept.")
    expect(said).to_be_in_viewport()
    expect(status(page)).to_have_text("incomplete")
    expect(said).to_have_text("Stopped as asked: what was written is kept.")
    expect(page.locator(".status-bar #details")).to_have_count(0)


def test_run_again_edit_and_delete(site: Stack, page: Page) -> None:
    old = create(site.url, prompt={"id": "story", "variables": {"topic": "again [[demo tokens=20]]"}})["id"]
    open_job(page, site, old)
    expect(status(page)).to_have_text("completed")
    again = page.get_by_role("button", name="Write again")
    expect(again).to_be_hidden()  # what is completed is not bought again by one click
    page.get_by_text("Retry", exact=True).click()
    again.click()
    page.wait_for_url(lambda url: old not in url)
    expect(page.get_by_role("link", name="retry of another job")).to_have_attribute("href", f"/jobs/{old}")
    new = page.url.rpartition("/")[2]
    expect(status(page)).to_have_text("completed")
    assert fetch(site.url, f"/v1/responses/{new}")[1]["penstock"]["retry_of"] == old
    page.goto(f"{site.url}/jobs/{old}")
    page.get_by_role("link", name="its newest retry").click()
    page.wait_for_url(f"**/{new}")
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


def test_a_title_stands_once(site: Stack, page: Page) -> None:
    open_job(page, site, started(site, "# Kites\n\nThey fly.\n[[demo echo]]"))
    for _again in range(2):  # as it came, and as it is stored
        expect(page.locator("#output h1")).to_have_text("Kites")
        expect(page.locator("#output h1")).to_have_css("width", "1px")
        expect(page.get_by_role("heading", level=1).first).to_have_text("Kites")
        page.reload()


def test_a_deleted_job_says_so(site: Stack, page: Page, client: openai.OpenAI) -> None:
    job = started(site, "vanishes [[demo rate=30 tokens=5000]]")
    open_job(page, site, job)
    expect_growth(page)
    client.responses.delete(job)
    expect(connection(page)).to_have_text("This job is no longer here.")


@pytest.mark.parametrize("what", ["jobs", "v1/responses"], ids=["before its last page", "after it"])
def test_a_job_that_is_deleted_once_it_is_cancelled_says_so(
    site: Stack, page: Page, client: openai.OpenAI, what: str
) -> None:
    job = started(site, "vanishes late [[demo rate=30 tokens=5000]]")
    open_job(page, site, job)
    expect_growth(page)

    def delete(route: Route) -> None:
        client.responses.delete(job)
        if what == "jobs":
            route.abort()
        else:
            route.continue_()

    page.route(f"**/{what}/{job}", delete, times=1)
    client.responses.cancel(job)
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

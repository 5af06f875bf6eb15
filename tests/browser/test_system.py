"""The page about the system in a real browser: it keeps itself up to date, and its buttons work."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.stack import Stack, wait_for
from tests.support.wire import create, fetch


def test_it_keeps_itself_up_to_date(site: Stack, page: Page) -> None:
    page.goto(f"{site.url}/system")
    expect(page.locator("#running-value")).to_have_text("0")
    page.get_by_text("The last hour as a table").click()
    create(site.url, prompt={"id": "story", "variables": {"topic": "a mill [[demo rate=30 tokens=400]]"}})
    expect(page.locator("#running-value")).to_have_text("1")
    expect(page.locator("#workers").get_by_role("link", name="a mill")).to_be_visible()
    expect(page.locator("#minutes")).to_be_visible()  # it is still open
    expect(page.locator("#health")).to_contain_text("Redis")
    expect(page.get_by_role("img", name="Tokens a minute")).to_be_visible()


@pytest.mark.parametrize("script", [True, False])
def test_a_queue_is_paused_and_goes_on(site: Stack, tabs: dict[bool, BrowserContext], script: bool) -> None:
    page = tabs[script].new_page()
    page.goto(f"{site.url}/system")
    page.get_by_role("button", name="Pause flex").click()
    expect(page.locator(".notice")).to_contain_text("The queue flex is paused")
    flex = page.locator("#queues tr").filter(has_text="flex")
    expect(flex).to_contain_text("paused")
    job = create(site.url, input=f"patient {script} [[demo rate=0 tokens=3]]", service_tier="flex")["id"]
    page.reload()
    expect(flex.locator("td").first).to_have_text("1")
    page.get_by_role("button", name="Resume flex").click()
    expect(page.locator(".notice")).to_contain_text("The queue flex goes on")
    expect(flex).to_contain_text("open")
    wait_for(lambda: fetch(site.url, f"/v1/responses/{job}")[1]["status"] == "completed")  # the queue is empty again


def test_the_api_is_called_from_its_page(site: Stack, page: Page) -> None:
    job = create(site.url, input="called [[demo tokens=3]]", background=False)["id"]
    page.goto(f"{site.url}/openapi")
    card = page.locator("#getResponse")
    expect(card.get_by_role("button", name="Run")).to_be_hidden()
    card.get_by_text("Example", exact=True).click()
    expect(card.locator("pre").first).to_contain_text(f"curl {site.url}/v1/responses/ID")
    card.get_by_label("job_id").fill(job)
    card.get_by_role("button", name="Run").click()
    expect(card.get_by_role("status")).to_contain_text("200 OK")
    expect(card.get_by_role("status")).to_contain_text(job)
    card = page.locator("#createResponse")
    card.get_by_text("Example", exact=True).click()
    card.get_by_label("Body").fill('{"temperature": 9}')
    card.get_by_role("button", name="Run").click()
    expect(card.get_by_role("status")).to_contain_text("400 BAD REQUEST")
    assert page.locator("#homePage .run").count() == 0  # pages have no examples

"""The page of a job as a browser's test sees it."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.support.stack import Stack, wait_for
from tests.support.wire import create


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

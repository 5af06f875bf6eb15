"""More live pages than a browser opens connections to a server: all of them live, over one stream."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from jobs.storage.store import Store
from tests.support.job_page import connection, expect_growth, expect_whole, open_job, said, started, status
from tests.support.stack import Stack, wait_for
from tests.support.wire import fetch
from web.auth import LOCAL_OWNER

WINDOWS = 12


@pytest.fixture
def windows(site: Stack, tabs: dict[bool, BrowserContext]) -> Iterator[list[tuple[str, Page]]]:
    """Twelve windows, each with the job that it shows; the last two show what the first two do."""
    jobs = [started(site, f"window {number} [[demo rate=30 tokens=5000]]") for number in range(WINDOWS - 2)]
    yield [(job, open_job(tabs[True].new_page(), site, job)) for job in [*jobs, *jobs[:2]]]
    for job in jobs:
        fetch(site.url, f"/v1/responses/{job}/cancel", method="POST")


@pytest.mark.exclusive
def test_twelve_windows_are_live_and_the_leader_may_go(
    site: Stack, windows: list[tuple[str, Page]], visits: list[str]
) -> None:
    for _, page in windows:
        expect(connection(page)).to_have_text("live")
        expect_growth(page)
    # Whichever leads, it is among those that are closed, one after the other.
    for _, page in windows[:2]:
        page.close()
        for _, other in windows[2:]:
            expect_growth(other, 20)
    job, page = windows[2]
    cancel, clicked_at = page.get_by_role("button", name="Cancel"), time.time()
    cancel.dispatch_event("click")
    expect(status(page)).to_have_text("cancelled")
    cancelled_at = Store(site.database).get(LOCAL_OWNER, job).cancel_requested_at
    assert cancelled_at is not None
    assert cancelled_at - clicked_at < 1
    for job, page in windows[2:]:
        fetch(site.url, f"/v1/responses/{job}/cancel", method="POST")
        expect_whole(page, site, job, "cancelled")
    assert any("/live?job=" in url for url in visits)


def test_a_silent_server_is_told_of_at_once_and_tried_again_on_demand(site: Stack, page: Page) -> None:
    job = started(site, "silent [[demo rate=30 tokens=5000]]")
    open_job(page, site, job)
    expect_growth(page)
    parent = psutil.Process(site.webs[-1].pid)
    processes = [parent, *parent.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        # Sooner than a stream that is silent was given up.
        expect(connection(page)).to_have_text(re.compile("connection lost; next try in"), timeout=15_000)
        text = said(page)
        button = page.get_by_role("button", name="Try now")
        expect(button).to_be_visible()
        with page.expect_request(re.compile("/live")):
            button.dispatch_event("click")
    finally:
        for process in processes:
            process.resume()
    expect(connection(page)).to_have_text("live")
    expect(button).to_be_hidden()
    wait_for(lambda: len(said(page)) > len(text))
    fetch(site.url, f"/v1/responses/{job}/cancel", method="POST")
    expect_whole(page, site, job, "cancelled")

"""A real browser on a running Penstock. What its pages complain about, or ask of others, is a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator

import openai
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect

from tests.support.browser import PROGRAMS, find_browser, running_browser
from tests.support.stack import Stack, running_stack

TIMEOUT_MS = 20_000
# A server that goes away, a form that is refused, a text file, which can name no icon of its own, and what a page asks
# about a job that is deleted meanwhile.
NO_FAULTS = re.compile(
    r"net::ERR_|400 \(BAD REQUEST\)|429 \(TOO MANY REQUESTS\)|favicon\.ico"
    r"|(404 \(NOT FOUND\)|MIME type).*(/live\?(after|job)=|/v1/responses/resp_|/progress)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("browser") / "data") as running:
        yield running


@pytest.fixture
def client(site: Stack) -> Iterator[openai.OpenAI]:
    with site.client() as client:
        yield client


# One for all files: nothing of a page is left when its context is closed.
@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.skip(f"no browser on PATH: none of {', '.join(PROGRAMS)}")
    expect.set_options(timeout=TIMEOUT_MS)
    with running_browser(program) as found:
        yield found


@pytest.fixture
def visits() -> list[str]:
    """The addresses that the pages of a test asked for."""
    return []


@pytest.fixture
def tabs(browser: Browser, site: Stack, visits: list[str]) -> Iterator[dict[bool, BrowserContext]]:
    """A window with JavaScript and one without. What their pages complain about, or ask of others, is a failure."""
    complaints: list[str] = []

    def hear(said: ConsoleMessage) -> None:
        text = f"{said.text} {said.location}"
        if said.type in ("error", "warning") and not NO_FAULTS.search(text):
            complaints.append(text)

    def dismiss(dialog: Dialog) -> None:
        complaints.append(dialog.message)
        dialog.dismiss()

    contexts = {script: browser.new_context(java_script_enabled=script) for script in (True, False)}
    for context in contexts.values():
        context.set_default_timeout(TIMEOUT_MS)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("console", hear)
        context.on("dialog", dismiss)
        context.on("request", lambda request: visits.append(request.url))
    yield contexts
    for context in contexts.values():
        context.close()
    assert complaints == []
    assert [url for url in visits if not url.startswith((f"{site.url}/", "data:"))] == []


@pytest.fixture
def page(tabs: dict[bool, BrowserContext]) -> Page:
    return tabs[True].new_page()

"""The page to ask on, in a real browser: a form for each prompt, checked before it is sent."""

from __future__ import annotations

import openai
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.stack import Stack, wait_for
from tests.support.wire import create


@pytest.mark.parametrize("script", [True, False])
def test_one_form_at_a_time_is_open(
    site: Stack, client: openai.OpenAI, tabs: dict[bool, BrowserContext], script: bool
) -> None:
    page = tabs[script].new_page()
    page.goto(site.url)
    expect(page.get_by_role("heading", name="Report", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Story", exact=True)).to_be_hidden()
    page.get_by_text("Story", exact=True).first.click()
    expect(page.get_by_role("heading", name="Report", exact=True)).to_be_hidden()
    form = page.locator("form").filter(has=page.get_by_role("heading", name="Story"))
    form.get_by_label("Words").fill("3")
    form.get_by_label("Topic").fill("a kite [[demo rate=0 tokens=5]]")
    form.get_by_role("button", name="Write").click()
    assert page.url.rstrip("/") == site.url  # the browser has seen that 3 is too few
    form.get_by_label("Words").fill("60")
    form.get_by_text("Model and parameters").click()
    form.get_by_label("Temperature").fill("0.5")
    form.get_by_role("button", name="Write").click()
    page.wait_for_url("**/jobs/resp_*")
    assert client.responses.retrieve(page.url.rpartition("/")[2]).temperature == 0.5


def test_prompts_are_chosen_with_keys(site: Stack, page: Page) -> None:
    page.goto(f"{site.url}/?prompt=report")
    page.get_by_role("radio", name="Report").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("heading", name="Explainer", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.type("kites [[demo rate=0 tokens=4]]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/resp_*")


def test_an_old_job_is_asked_again_with_another_word(site: Stack, page: Page) -> None:
    variables = {"topic": "tea [[demo rate=0 tokens=4]]", "words": 444}
    old = create(site.url, prompt={"id": "story", "variables": variables})["id"]
    page.goto(f"{site.url}/?from={old}")
    form = page.locator("form").filter(has=page.get_by_role("heading", name="Story"))
    expect(form.get_by_label("Words")).to_have_value("444")
    form.get_by_label("Topic").fill("coffee [[demo rate=0 tokens=4]]")
    form.get_by_role("button", name="Write").click()
    page.wait_for_url("**/jobs/resp_*")
    expect(page.get_by_role("heading", level=1)).to_contain_text("coffee")


def test_the_topic_is_one_key_away(site: Stack, page: Page) -> None:
    create(site.url, input="being written [[demo rate=20 tokens=3000]]")
    page.goto(f"{site.url}/?prompt=story")
    expect(page.get_by_role("form", name="Story").get_by_label("Topic")).to_be_focused()
    page.goto(site.url)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("form", name="Report").get_by_label("Topic")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()


def test_the_theme_is_switched_and_kept(site: Stack, page: Page) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    page.goto(f"{site.url}/jobs")
    light = page.evaluate(paper)
    page.get_by_role("button", name="Switch to dark").click()
    wait_for(lambda: page.evaluate(paper) != light)
    page.goto(site.url)
    assert page.evaluate(paper) != light
    page.get_by_role("button", name="Switch to light").click()
    wait_for(lambda: page.evaluate(paper) == light)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(paper) == light
    page.get_by_role("button", name="Switch to the system's choice").click()
    wait_for(lambda: page.evaluate(paper) != light)


def test_the_language_is_switched_and_kept(site: Stack, page: Page) -> None:
    page.goto(f"{site.url}/jobs?status=failed")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("任务")
    assert page.url == f"{site.url}/jobs?status=failed"
    page.goto(site.url)
    assert page.locator("html").get_attribute("lang") == "zh"
    expect(page.get_by_role("button", name="开始写作").first).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="Write").first).to_be_visible()


def test_files_become_source_text_that_can_be_read_first(site: Stack, page: Page) -> None:
    page.goto(f"{site.url}/?prompt=report")
    area = page.get_by_label("Source text")
    area.fill("Mine.")
    notes = {"name": "notes.md", "mimeType": "text/markdown", "buffer": b"The moon pulls."}
    program = {"name": "a.exe", "mimeType": "application/octet-stream", "buffer": b"MZ"}
    page.get_by_label("Files").set_input_files([notes, program])  # type: ignore[arg-type]
    expect(page.get_by_text("a.exe: only .txt")).to_be_visible()
    expect(page.get_by_text("notes.md: 1 KB, ")).to_be_visible()
    expect(area).to_have_value("Mine.\n\n[notes.md]\n\nThe moon pulls.")
    transfer = page.evaluate_handle(
        "() => { const data = new DataTransfer(); data.items.add(new File(['n\\n3'], 'n.csv')); return data; }"
    )
    area.dispatch_event("drop", {"dataTransfer": transfer})
    expect(area).to_have_value("Mine.\n\n[notes.md]\n\nThe moon pulls.\n\n[n.csv, rows 1-1]\n\nn: 3")
    page.locator("#report-topic").fill("tides [[demo rate=0 tokens=5]]")
    page.get_by_role("button", name="Write").first.click()
    page.wait_for_url("**/jobs/resp_*")

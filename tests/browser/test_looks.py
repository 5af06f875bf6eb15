"""What holds for every page: contrast in light and dark, no sideways scrolling on a phone, a focus that is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.support.page_states import page_states
from tests.support.stack import Stack
from tests.support.wire import create

PATHS = ("/", "/?prompt=", "/jobs", "/system", "/webhooks", "/batches", "/openapi", "/signin", "/jobs/resp_0")
# Every text that is seen, with the contrast of its colour and what lies behind it, by the rule of WCAG.
CONTRASTS = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (colour, below) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const one of [below, colour]) { canvas.fillStyle = one; canvas.fillRect(0, 0, 1, 1); }
    return `rgb(${[...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).join(" ")})`;
  };
  const light = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const path = [];
    for (let one = element; one; one = one.parentElement) path.unshift(getComputedStyle(one).backgroundColor);
    return path.reduce((below, colour) => over(colour, below), "rgb(255 255 255)");
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const typed = element.matches("[type=text], [type=search], textarea") ? element.value || element.placeholder : "";
    const text = own ? element.innerText : typed;
    if (!text.trim() || !element.checkVisibility() || element.closest(".unseen, .skip, option, script")) continue;
    const style = getComputedStyle(element, !own && !element.value ? "::placeholder" : null);
    const back = behind(element);
    const [a, b] = [light(over(style.color, back)), light(back)].sort((one, other) => other - one);
    found.push([(a + 0.05) / (b + 0.05), `${element.tagName} ${element.className}: ${text.slice(0, 40)}`]);
  }
  return found;
}
"""


# Nothing is hidden; of the many cards of the page of the API, which are of a few kinds, each tenth is left.
OPEN = """
  for (const one of [...document.querySelectorAll(".api .card")].filter((_, number) => number % 10)) one.remove();
  for (const one of document.querySelectorAll("details")) one.open = true;
"""
# Whatever scrolls within the page, and whether it, or something in it, takes the focus.
SCROLLED = """
() => [...document.body.querySelectorAll("*")]
  .filter((one) => one.checkVisibility() && /auto|scroll/.test(getComputedStyle(one).overflow))
  .filter((one) => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1)
  .map((one) => [one.outerHTML.slice(0, 100), one.matches("textarea") || one.tabIndex >= 0
    || Boolean(one.querySelector("a[href], button, input, select, textarea, [tabindex]"))])
"""
OUTLINE = """
() => {
  const element = document.activeElement.closest(".tab") ?? document.activeElement;
  return parseFloat(getComputedStyle(element).outlineWidth);
}
"""


@pytest.fixture(scope="module")
def jobs(site: Stack) -> None:
    """One job of each look."""
    create(site.url, prompt={"id": "report", "variables": {"topic": "bridges [[demo rate=30]]", "words": 3000}})
    for knobs in ("rate=0 tokens=9", "status=401", "rate=20 tokens=4000"):
        create(
            site.url, prompt={"id": "story", "variables": {"topic": f"a pale colour {'long ' * 12}[[demo {knobs}]]"}}
        )


@pytest.fixture(scope="module")
def states(site: Stack) -> Mapping[str, str]:
    return page_states(site)


@pytest.fixture(params=["light", "dark"])
def wide(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(color_scheme=request.param)
    yield context.new_page()
    context.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, locale="zh-CN")
    yield context.new_page()
    context.close()


def test_every_text_stands_out(site: Stack, jobs: None, wide: Page) -> None:
    for path in PATHS:
        wide.goto(f"{site.url}{path}")
        wide.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        found = wide.evaluate(CONTRASTS)
        assert len(found) > 3, path
        assert [(path, *one) for one in found if one[0] < 4.5] == []


def test_a_phone_scrolls_one_way_and_a_finger_hits(site: Stack, jobs: None, phone: Page) -> None:
    for path in PATHS:
        phone.goto(f"{site.url}{path}")
        wide = phone.evaluate(
            """() => [...document.body.querySelectorAll("*")]
                .filter((one) => document.documentElement.scrollWidth > 360 && one.getBoundingClientRect().right > 360)
                .map((one) => one.outerHTML.slice(0, 100))"""
        )
        assert wide == [], path
        small = phone.evaluate(
            """() => [...document.querySelectorAll("button, select, input:not([type=hidden])")]
                .filter((one) => one.checkVisibility() && one.getBoundingClientRect().width)
                .map((one) => one.closest(".tick label, .tab, .check") ?? one)
                .filter((one) => one.getBoundingClientRect().height < 43.5)
                .map((one) => one.outerHTML.slice(0, 100))"""
        )
        assert small == [], path


# A theme changes colours and nothing else, a language words: each is seen once.
@pytest.mark.parametrize(("theme", "language"), [("light", "en-US"), ("dark", "zh-CN")])
def test_axe_finds_nothing_serious(
    site: Stack, browser: Browser, states: Mapping[str, str], theme: Literal["light", "dark"], language: str
) -> None:
    context = browser.new_context(color_scheme=theme, locale=language)
    page = context.new_page()
    found = []
    for name, path in states.items():
        page.goto(f"{site.url}{path}")
        page.evaluate(OPEN)
        violations = Axe().run(page).response["violations"]
        found += [
            (name, one["id"], [node["html"][:200] for node in one["nodes"]][:3])
            for one in violations
            if one["impact"] in ("serious", "critical")
        ]
    context.close()
    assert found == []


def test_what_scrolls_is_reached_by_keys(site: Stack, states: Mapping[str, str], phone: Page) -> None:
    scrolled = 0
    for name, path in states.items():
        phone.goto(f"{site.url}{path}")
        boxes = phone.evaluate(SCROLLED)
        assert [(name, box) for box, is_reached in boxes if not is_reached] == []
        scrolled += len(boxes)
    assert scrolled > 2


def test_the_words_of_a_box_stand_beside_it(site: Stack, jobs: None, wide: Page) -> None:
    for path in ("/webhooks", "/?prompt=report"):
        wide.goto(f"{site.url}{path}")
        boxes = wide.locator(".check > input")
        assert boxes.count() > 0, path
        assert max(box.bounding_box()["width"] for box in boxes.all()) < 30, path  # type: ignore[index]


def test_a_focus_is_seen_wherever_it_is(site: Stack, jobs: None, wide: Page) -> None:
    for path in ("/jobs", "/?prompt=", "/system"):
        wide.goto(f"{site.url}{path}")
        for _ in range(12):
            wide.keyboard.press("Tab")
            width = wide.evaluate(OUTLINE)
            assert width >= 2, wide.evaluate("document.activeElement.outerHTML")
    wide.goto(f"{site.url}/jobs")
    wide.keyboard.press("Tab")
    wide.keyboard.press("Enter")
    wide.wait_for_url("**/jobs#main")  # over the navigation
